package snowflake

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fake "elt/internal/fake/snowflake"
	"elt/internal/load"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/targets"
	"elt/targets/targettest"
)

// runner plays runs of one state id into a fake, as elt's runner would.
type runner struct {
	srv    *fake.Server
	config map[string]any
	epoch  int64
	runs   int
	state  json.RawMessage // the store's
	had    bool
	kept   string
	target targets.Target
}

func newRunner(t testing.TB, srv *fake.Server, over map[string]any) *runner {
	config := at(srv)
	config["temp_dir"] = t.TempDir()
	for k, v := range over {
		config[k] = v
	}
	return &runner{srv: srv, config: config, target: New()}
}

// run is one run; the error is the target's.
func (r *runner) run(t testing.TB, lines ...string) (load.ClaimReply, error) {
	t.Helper()
	r.runs++
	raw, _ := json.Marshal(load.ClaimRequest{StateID: "dev:a-to-b", RunID: fmt.Sprint("run", r.runs), Epoch: r.epoch, Bookmarks: r.state, HadDestination: r.had, Kept: r.kept})
	path := filepath.Join(t.TempDir(), "claim.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	r.kept = ""
	out, talk, err := targettest.Subject{Target: r.target}.Serve(t, r.config, []string{load.EnvClaim + "=" + path, load.EnvEnd + "=1"}, append(lines, singer.EndLine)...)
	if strings.Contains(out+talk, "canary") || err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret was shown:\n%s\n%s\n%v", out, talk, err)
	}
	var reply load.ClaimReply
	for i, line := range strings.Split(out, "\n") {
		switch kept, ok := strings.CutPrefix(line, load.KeptLine); {
		case line == "":
		case i == 0:
			if bad := json.Unmarshal([]byte(line), &reply); bad != nil {
				t.Fatal(bad)
			}
			r.epoch, r.had = reply.Epoch, r.had || reply.Kept && !reply.Late
		case ok && err == nil:
			r.kept, r.had = kept, kept != targets.KeptNone
		case !ok:
			r.state = json.RawMessage(line)
		}
	}
	return reply, err
}

const schemaA = `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"},"n":{"type":["null","integer"]}}},"key_properties":["id"]}`

func recordA(id, n int) string {
	return fmt.Sprintf(`{"type":"RECORD","stream":"a","record":{"id":%d,"n":%d}}`, id, n)
}

func stateA(v int) string {
	return fmt.Sprintf(`{"type":"STATE","value":{"bookmarks":{"a":{"v":%d}}}}`, v)
}

// table is the rows of RAW.A as "id=n", sorted.
func tableA(t testing.TB, srv *fake.Server) string {
	t.Helper()
	var out []string
	for _, r := range rows(t, srv, "A") {
		out = append(out, *r["ID"]+"="+*r["N"])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// kept is the bookmark in the state table.
func position(t testing.TB, srv *fake.Server) string {
	t.Helper()
	_, cells, err := srv.Query(`SELECT "POSITION" FROM RAW."_ELT_STATE" WHERE "STATE_ID" = 'dev:a-to-b'`)
	if err != nil || len(cells) == 0 || cells[0][0] == nil {
		return ""
	}
	return cells[0][0].(string)
}

// warehouse is the statements since the last reset that need one.
func warehouse(srv *fake.Server) (out []string) {
	for _, s := range srv.Statements() {
		if s.NeedsWarehouse {
			out = append(out, s.SQL)
		}
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARunWithoutRowsNeedsNoWarehouse(t *testing.T) {
	srv := fake.Start(t)
	r := newRunner(t, srv, nil)
	_, err := r.run(t, schemaA, stateA(0))
	must(t, err)
	if got := warehouse(srv); len(got) > 0 || srv.WarehouseStarts() > 0 {
		t.Errorf("the first run, without rows, needed a warehouse: %q", got)
	}
	if rows(t, srv, "A") == nil {
		t.Error("a stream without rows has no table")
	}
	_, err = r.run(t, schemaA, recordA(1, 1), stateA(1))
	must(t, err)
	starts := srv.WarehouseStarts()
	if got := warehouse(srv); len(got) == 0 || starts != 1 {
		t.Errorf("a run with rows: %d starts, %q", starts, got)
	}
	srv.SuspendWarehouses()
	srv.ResetStatements()
	reply, err := r.run(t, schemaA, stateA(2))
	must(t, err)
	if got := warehouse(srv); len(got) > 0 || srv.WarehouseStarts() != starts {
		t.Errorf("a run without rows needed a warehouse: %q", got)
	}
	if string(reply.Bookmarks) != `{"bookmarks":{"a":{"v":1}}}` || string(r.state) != `{"bookmarks":{"a":{"v":2}}}` {
		t.Errorf("it started from %s and ended at %s", reply.Bookmarks, r.state)
	}
	_, err = r.run(t, schemaA, recordA(2, 2), stateA(3))
	must(t, err)
	if got := tableA(t, srv) + " " + position(t, srv); got != `1=1 2=2 {"bookmarks":{"a":{"v":3}}}` {
		t.Error(got)
	}
}

// What came behind the back of elt stops a run before it writes; the next one
// goes on from the destination's bookmark.
func TestADestinationThatWasRestoredIsNoticed(t *testing.T) {
	for name, restore := range map[string]string{
		"older":    `UPDATE RAW."_ELT_STATE" SET "POSITION" = '{"bookmarks":{"a":{"v":7}}}', "SEQ" = 99`,
		"gone":     `DELETE FROM RAW."_ELT_STATE"`,
		"no table": `DROP TABLE RAW."_ELT_STATE"`,
	} {
		t.Run(name, func(t *testing.T) {
			srv := fake.Start(t)
			r := newRunner(t, srv, nil)
			_, err := r.run(t, schemaA, recordA(1, 1), stateA(1))
			must(t, err)
			if _, _, err := srv.Query(restore); err != nil {
				t.Fatal(err)
			}
			_, err = r.run(t, schemaA, recordA(2, 2), stateA(2))
			if err == nil || !strings.Contains(err.Error(), "nothing was written") {
				t.Fatalf("the run ended with %v", err)
			}
			if got := tableA(t, srv); got != "1=1" {
				t.Errorf("it wrote: %s", got)
			}
			reply, err := r.run(t, schemaA, recordA(3, 3), stateA(3))
			if name != "older" {
				if err == nil || !strings.Contains(err.Error(), "lost the position") {
					t.Errorf("the next run: %v", err)
				}
				return
			}
			must(t, err)
			if reply.Source != load.FromDestination || string(reply.Bookmarks) != `{"bookmarks":{"a":{"v":7}}}` {
				t.Errorf("the next run started from %+v", reply)
			}
		})
	}
}

// Every statement of a small sync into a table that is there, counted.
func TestSmallSyncsTakeFewRoundTrips(t *testing.T) {
	srv := fake.Start(t, fake.WithLocalFS()) // where the driver sends PUT once per statement, as with S3 and Azure
	sync := func(streams int) int {
		sink := claimed(t, srv, nil)
		srv.ResetStatements()
		lane, err := sink.Lane(t.Context())
		must(t, err)
		for i := range streams {
			schema := &row.Schema{Stream: fmt.Sprint("s", i), Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}, Key: []string{"id"}}
			ld, err := lane.Stream(t.Context(), schema)
			must(t, err)
			must(t, ld.Write(t.Context(), integers(schema, 1, 2, 3)))
			must(t, ld.End(t.Context()))
			must(t, lane.Commit(t.Context(), targets.Commit{Streams: map[string]json.RawMessage{schema.Stream: json.RawMessage(`{"v":1}`)}}))
		}
		must(t, lane.Close())
		must(t, sink.Finish(t.Context()))
		n := len(srv.Statements())
		must(t, sink.Abort())
		return n
	}
	sync(10)
	one, ten := sync(1), sync(10)
	per := float64(ten-one) / 9
	t.Logf("%d statements for one stream, %d for ten: %.1f for each further one", one, ten, per)
	if per > smallSync || one > smallSync+2 {
		for _, s := range srv.Statements() {
			t.Log(s.SQL)
		}
		t.Errorf("a stream takes %.1f statements", per)
	}
}

// smallSync is how many statements a small sync of a keyed stream takes.
const smallSync = 6

// claimed is an open sink that has claimed a state id.
func claimed(t testing.TB, srv *fake.Server, over map[string]any) *sink {
	t.Helper()
	config := at(srv)
	config["temp_dir"] = t.TempDir()
	for k, v := range over {
		config[k] = v
	}
	set, err := settled(t, config)
	must(t, err)
	s, err := open(context.Background(), set)
	must(t, err)
	must(t, s.Claim(t.Context(), "dev:x", func(f targets.Fence) (targets.Fence, error) {
		return targets.Fence{Found: true, Epoch: f.Epoch + 1, Bookmarks: f.Bookmarks}, nil
	}))
	t.Cleanup(func() { s.Abort() })
	return s
}

func integers(schema *row.Schema, values ...int64) *row.Batch {
	b := &row.Batch{}
	b.Reset(schema)
	for _, v := range values {
		b.Begin()
		for range schema.Columns {
			b.Int8(v)
		}
		b.End()
	}
	return b
}

func upTo(n int) []int64 {
	values := make([]int64, n)
	for i := range values {
		values[i] = int64(i)
	}
	return values
}

// twoColumns is the shape of schemaA.
func twoColumns(stream string) *row.Schema {
	return &row.Schema{Stream: stream, Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "n", Kind: row.Int64, Wire: row.WireInt8}}, Key: []string{"id"}}
}
