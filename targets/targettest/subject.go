package targettest

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/load"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/targets"
)

// Subject is a target under test.
type Subject struct {
	Target targets.Target
	// Config makes an empty destination that belongs to t and returns the
	// settings that lead there.
	Config func(t testing.TB) map[string]any
	// Rows reads a stream back, in any order: per row the text of each column,
	// nil for NULL. A property that a file leaves out counts as NULL. No table
	// or file: nil; an empty one: an empty slice.
	Rows func(t testing.TB, config map[string]any, stream string) []Row
	// Appends: the destination knows no keys, every row is added.
	Appends bool
	// Skip has reasons by case name ("merge/composite key") or group ("merge").
	Skip map[string]string
	// Rename is how the destination spells a column; nil: as it is.
	Rename func(column string) string
}

// Row is the text of each column, nil for NULL.
type Row map[string]*string

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			s.skip(t, c.name)
			if c.merges && s.Appends {
				t.Skip("this destination knows no keys: rows are added")
			}
			s.play(t, c)
		})
	}
	t.Run("claim", func(t *testing.T) { s.claims(t) })
}

func (s Subject) skip(t *testing.T, name string) {
	t.Helper()
	group, _, _ := strings.Cut(name, "/")
	for _, key := range []string{name, group} {
		if reason := s.Skip[key]; reason != "" {
			t.Skip(reason)
		}
	}
}

// play runs a case's inputs one after another into one destination.
func (s Subject) play(t *testing.T, c testCase) {
	config := s.Config(t)
	for n, in := range c.runs {
		settings := maps.Clone(config)
		maps.Copy(settings, c.settings)
		maps.Copy(settings, in.settings)
		out, talk, err := s.Serve(t, settings, in.environ, in.lines...)
		switch {
		case in.fails == "" && err != nil:
			t.Fatalf("run %d: %v\n%s", n+1, err, talk)
		case in.fails != "" && err == nil:
			t.Fatalf("run %d succeeded, but should have failed: %s", n+1, in.fails)
		case in.fails != "" && !strings.Contains(err.Error(), in.fails):
			t.Errorf("run %d failed with %q, which does not say %q", n+1, err, in.fails)
		}
		if in.out != nil && out != strings.Join(in.out, "\n") {
			t.Errorf("run %d printed %q, want %q", n+1, out, in.out)
		}
	}
	for stream, want := range c.want {
		s.compare(t, stream, s.Rows(t, config, stream), want)
	}
}

// Serve plays lines into the target and returns what it printed and said.
func (s Subject) Serve(t testing.TB, settings map[string]any, environ []string, lines ...string) (stdout, stderr string, err error) {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	io := load.IO{In: strings.NewReader(strings.Join(lines, "\n") + "\n"), Out: &out, Err: &talk}
	err = load.Serve(context.Background(), s.Target, []string{"--config", path}, io, environ)
	return strings.TrimSuffix(out.String(), "\n"), talk.String(), err
}

// compare wants each expected row to be there once, and no other.
func (s Subject) compare(t *testing.T, stream string, got []Row, want []Want) {
	t.Helper()
	if got == nil {
		t.Errorf("stream %s: the destination has nothing of it", stream)
		return
	}
	left := slices.Clone(got)
	for _, w := range want {
		at := slices.IndexFunc(left, func(r Row) bool { return s.matches(r, w) })
		if at < 0 {
			t.Errorf("stream %s: no row %v among %s", stream, w, show(left))
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		t.Errorf("stream %s: rows too many: %s", stream, show(left))
	}
}

// matches: every expected column is as wanted; others do not matter.
func (s Subject) matches(r Row, w Want) bool {
	for column, v := range w {
		if s.Rename != nil {
			column = s.Rename(column)
		}
		if !v.is(r[column]) {
			return false
		}
	}
	return true
}

func show(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString("{")
		for _, c := range slices.Sorted(maps.Keys(r)) {
			b.WriteString(c + ": ")
			if r[c] == nil {
				b.WriteString("NULL ")
			} else {
				raw, _ := json.Marshal(*r[c])
				b.Write(append(raw, ' '))
			}
		}
		b.WriteString("} ")
	}
	return b.String()
}

// claims: the position a run reached is what the next claim finds, and a run
// that was overtaken can commit nothing (invariants 3 and 6).
func (s Subject) claims(t *testing.T) {
	s.skip(t, "claim")
	config := s.Config(t)
	request := filepath.Join(t.TempDir(), "claim.json")
	claim := func(r load.ClaimRequest) (load.ClaimReply, error) {
		raw, _ := json.Marshal(r)
		if err := os.WriteFile(request, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, err := s.Serve(t, config, []string{load.EnvClaim + "=" + request, load.EnvEnd + "=1"},
			schema("a", `"id":{"type":"integer"}`, `"id"`), record("a", `{"id":1}`), `{"type":"STATE","value":{"bookmarks":{"a":{"v":1}}}}`, singer.EndLine)
		first, _, _ := strings.Cut(out, "\n")
		var reply load.ClaimReply
		if err == nil {
			err = json.Unmarshal([]byte(first), &reply)
		}
		return reply, err
	}
	first, err := claim(load.ClaimRequest{StateID: "dev:x", Epoch: 1})
	if err != nil || first.Epoch != 2 || first.Source != load.FromNone {
		t.Fatalf("first claim: %+v, %v", first, err)
	}
	if !first.Kept {
		t.Skip("this destination keeps no positions")
	}
	second, err := claim(load.ClaimRequest{StateID: "dev:x", Epoch: 2, HadDestination: true})
	if err != nil || second.Epoch != 3 || second.Source != load.FromDestination || !singer.EqualJSON(second.Bookmarks, []byte(`{"bookmarks":{"a":{"v":1}}}`)) {
		t.Fatalf("second claim: %+v, %v", second, err)
	}
	other, err := claim(load.ClaimRequest{StateID: "dev:y", Epoch: 7})
	if err != nil || other.Epoch != 8 || other.Source != load.FromNone {
		t.Fatalf("another state id: %+v, %v", other, err)
	}
	if _, err := claim(load.ClaimRequest{StateID: "dev:lost", HadDestination: true, Bookmarks: json.RawMessage(`{"bookmarks":{"a":{"v":1}}}`)}); err == nil {
		t.Error("a destination that lost its position was not refused")
	}
	s.overtaken(t, config)
}

// overtaken: a sink that claimed earlier commits nothing after a later claim.
func (s Subject) overtaken(t *testing.T, config map[string]any) {
	raw, _ := json.Marshal(config)
	cfg, _, err := s.Target.Spec().Resolve(raw)
	if err != nil {
		t.Fatal(err)
	}
	open := func() targets.Sink {
		sink, err := s.Target.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = sink.Claim(t.Context(), "dev:z", func(f targets.Fence) (targets.Fence, error) {
			return targets.Fence{Found: true, Epoch: f.Epoch + 1, Edit: f.Edit, Bookmarks: f.Bookmarks}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return sink
	}
	old := open()
	defer old.Abort()
	next := open()
	defer next.Abort()
	lane, err := old.Lane(t.Context())
	if err != nil {
		return // a destination may notice this early
	}
	defer lane.Close()
	shape := &row.Schema{Stream: "late", Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}, Key: []string{"id"}}
	loader, err := lane.Stream(t.Context(), shape)
	if err != nil {
		return
	}
	b := &row.Batch{}
	b.Reset(shape)
	b.Begin()
	b.Int8(1)
	b.End()
	if err := loader.Write(t.Context(), b); err != nil {
		return
	}
	if err := lane.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"bookmarks":{}}`)}); err == nil {
		t.Error("a run that was overtaken could still commit")
	}
}
