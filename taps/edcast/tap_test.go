package edcast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/fake/domo"
	"elt/taps"
	"elt/taps/taptest"
)

const explorer = domo.ExplorerName

// glue is the dataset that GitLab read, with some of its odd columns.
func glue(times ...string) *domo.Dataset {
	s := &domo.Dataset{ID: "g-1", Name: "300121_" + explorer, Columns: [][2]string{{"ECL ID", "STRING"}, {"Time", "DATETIME"}, {"Group Name", "STRING"}, {"Group ID", "LONG"},
		{"User ID", "DOUBLE"}, {"Follower User Full Name?", "STRING"}, {"Duration (hh:mm)", "STRING"}, {"Hire Date", "DATE"}}}
	for n, at := range times {
		s.Rows = append(s.Rows, []string{fmt.Sprintf("ecl-%d", n), at, "All", []string{"", "7"}[n%2], "460679.0", "", "00:00", ""})
	}
	return s
}

var users = &domo.Dataset{ID: "u-1", Name: "300121_Glue_ Users", Columns: [][2]string{{"User ID", "LONG"}, {"Title", "STRING"}, {"Score", "DECIMAL"}},
	Rows: [][]string{{"1", "Head of\n\"Data\"", "12.50"}, {"2", "", ""}}}

func newDomo(t *testing.T, sets ...*domo.Dataset) *domo.Server {
	d := domo.Start(domo.Behaviour{}, sets...)
	t.Cleanup(d.Close)
	return d
}

func behave(d *domo.Server, behaviour domo.Behaviour) {
	d.Change(func(b *domo.Behaviour, _ *[]*domo.Dataset) { *b = behaviour })
}

func config(d *domo.Server, more map[string]any) map[string]any {
	c := map[string]any{"username": domo.Client, "password": domo.Secret, "url_base": d.URL, "start_date": "2021-12-01T00:00:00Z", "end_date": "2022-02-01T00:00:00Z", "retry_pause": 0.001, "parallelism": 1}
	for k, v := range more {
		c[k] = v
	}
	return c
}

type result struct {
	records map[string][]string
	schemas map[string]string
	state   string
	log     string
	err     error
}

func run(t *testing.T, cfg map[string]any, state string, more ...string) result {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--config", file("config.json", raw)}, more...)
	if state != "" {
		args = append(args, "--state", file("state.json", []byte(state)))
	}
	var out, errs bytes.Buffer
	res := result{records: map[string][]string{}, schemas: map[string]string{}}
	res.err = taps.Serve(t.Context(), New(), args, taps.IO{Out: &out, Err: &errs}, nil)
	res.log = errs.String()
	for line := range strings.Lines(out.String()) {
		var m struct {
			Type, Stream          string
			Record, Value, Schema json.RawMessage
		}
		if json.Unmarshal([]byte(line), &m) != nil {
			continue
		}
		switch m.Type {
		case "RECORD":
			res.records[m.Stream] = append(res.records[m.Stream], string(m.Record))
		case "SCHEMA":
			res.schemas[m.Stream] = string(m.Schema)
		case "STATE":
			res.state = string(m.Value)
		}
	}
	return res
}

// ecl are the ECL IDs of records, sorted.
func ecl(records []string) string {
	var out []string
	for _, r := range records {
		_, id, _ := strings.Cut(r, `"ECL ID":"ecl-`)
		id, _, _ = strings.Cut(id, `"`)
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSuite(t *testing.T) {
	d := newDomo(t, glue("2021-12-14T00:11:39", "2021-12-15T00:00:00", "2021-12-15T00:00:00"), users)
	taptest.Run(t, New(), config(d, nil), taptest.Expect{Rows: map[string]int{"datasets": 2, explorer: 3, "Glue_ Users": 2}, Resumed: map[string]int{"datasets": 2, explorer: 2, "Glue_ Users": 2}})
}

func TestValuesArriveAsTheirTypesWantThem(t *testing.T) {
	d := newDomo(t, glue("2021-12-14T00:11:39"), users)
	got := run(t, config(d, nil), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	first := got.records[explorer][0]
	if _, rest, _ := strings.Cut(first, `","ECL ID"`); rest != `:"ecl-0","Time":"2021-12-14T00:11:39+00:00","Group Name":"All","Group ID":null,"User ID":460679.0,"Follower User Full Name?":"","Duration (hh:mm)":"00:00","Hire Date":null}` {
		t.Error(first)
	}
	for n, rest := range []string{`"User ID":1,"Title":"Head of\n\"Data\"","Score":12.50}`, `"User ID":2,"Title":"","Score":null}`} {
		if r := got.records["Glue_ Users"][n]; !strings.HasSuffix(r, rest) {
			t.Errorf("%s\nwant %s", r, rest)
		}
	}
	if !strings.Contains(got.state, `{"replication_key":"Time","replication_key_value":"2021-12-14T00:11:39+00:00"}`) {
		t.Error(got.state)
	}
}

// Rows at the borders of the window and of slices come once.
func TestWindowsAreHalfOpen(t *testing.T) {
	var times []string
	for day := 1; day <= 31; day++ {
		times = append(times, fmt.Sprintf("2021-12-%02dT00:00:00", day), fmt.Sprintf("2021-12-%02dT23:59:59", day))
	}
	d := newDomo(t, glue(times...))
	only := map[string]any{"datasets": []any{explorer}, "start_date": "2021-12-02T00:00:00Z", "end_date": "2021-12-31T00:00:00Z", "slice_rows": 5}
	got := run(t, config(d, only), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	if n := len(got.records[explorer]); n != 58 || strings.Contains(ecl(got.records[explorer]), "60") || len(d.Queries()) < 15 {
		t.Errorf("%d rows by %d queries: %s", n, len(d.Queries()), ecl(got.records[explorer]))
	}
	seen := map[string]bool{}
	for _, r := range got.records[explorer] {
		if seen[r] {
			t.Errorf("twice: %s", r)
		}
		seen[r] = true
	}
}

// The stated key is not unique; the default one loses no row, and is the same
// in each run.
func TestTheRowsHashIsAKey(t *testing.T) {
	s := glue("2021-12-14T00:11:39", "2021-12-14T00:11:39", "2021-12-14T00:11:39")
	s.Rows[1], s.Rows[2] = slices.Clone(s.Rows[0]), slices.Clone(s.Rows[0])
	s.Rows[2][6] = "00:01"
	d := newDomo(t, s)
	hashes := func() (out []string) {
		for _, r := range run(t, config(d, nil), "").records[explorer] {
			var v map[string]any
			_ = json.Unmarshal([]byte(r), &v)
			out = append(out, fmt.Sprint(v[rowHash]))
		}
		slices.Sort(out)
		return out
	}
	first := hashes()
	if len(slices.Compact(slices.Clone(first))) != 3 || !slices.Equal(first, hashes()) {
		t.Errorf("%q", first)
	}
	got := run(t, config(d, map[string]any{"stream_keys": map[string]any{explorer: []any{"ECL ID", "Time", "Group Name"}}}), "")
	if got.err != nil || strings.Contains(got.schemas[explorer], rowHash) {
		t.Error(got.err, got.schemas[explorer])
	}
	got = run(t, config(d, map[string]any{"stream_keys": map[string]any{explorer: []any{"ECL Id"}}}), "")
	if got.err == nil || !strings.Contains(got.err.Error(), `stream_keys has "ECL Id", which is no column`) {
		t.Error(got.err)
	}
}

func TestCapsAndTimeOutsHalveTheSlice(t *testing.T) {
	var times []string
	for n := range 200 {
		times = append(times, fmt.Sprintf("2021-12-%02dT%02d:%02d:00", 1+n/10, n%10, n%60))
	}
	for name, set := range map[string]func(*domo.Behaviour, map[string]any){
		"rows":     func(_ *domo.Behaviour, c map[string]any) { c["slice_rows"] = 50 },
		"time-out": func(b *domo.Behaviour, c map[string]any) { b.Slow, c["request_timeout"] = 50, 0.05 },
	} {
		d := newDomo(t, glue(times...))
		c := config(d, map[string]any{"datasets": []any{"g-1"}})
		d.Change(func(b *domo.Behaviour, _ *[]*domo.Dataset) { set(b, c) })
		got := run(t, c, "")
		if got.err != nil || len(got.records[explorer]) != 200 {
			t.Errorf("%s: %d rows, %v", name, len(got.records[explorer]), got.err)
		}
	}
	// A cap that nobody knows of cuts answers off in silence; what it cut is
	// noticed, at the end of a slice and within one second.
	many := []string{}
	for n := range 3000 {
		many = append(many, fmt.Sprintf("2021-12-%02dT%02d:%02d:00", 1+n/200, n%200/10, n%10/2))
	}
	capped := newDomo(t, glue(many...))
	behave(capped, domo.Behaviour{Cap: 1100})
	if got := run(t, config(capped, map[string]any{"datasets": []any{"g-1"}}), ""); got.err != nil || len(got.records[explorer]) != 3000 {
		t.Errorf("an unknown cap: %d rows, %v", len(got.records[explorer]), got.err)
	}
	capped = newDomo(t, glue(slices.Repeat([]string{"2021-12-05T00:00:00"}, 1200)...))
	behave(capped, domo.Behaviour{Cap: 1100})
	if got := run(t, config(capped, nil), ""); got.err == nil || !strings.Contains(got.err.Error(), "more than 1100 rows have the same time") || len(got.records[explorer]) != 0 {
		t.Errorf("%d rows, %v", len(got.records[explorer]), got.err)
	}
	// More rows in one second than can be had at once are no success.
	d := newDomo(t, glue(slices.Repeat([]string{"2021-12-05T00:00:00"}, 30)...))
	behave(d, domo.Behaviour{Slow: 20})
	got := run(t, config(d, map[string]any{"request_timeout": 0.02, "retries": 1}), "")
	if got.err == nil || !strings.Contains(got.err.Error(), "silent for longer than request_timeout") {
		t.Errorf("%v", got.err)
	}
}

func TestPassingFaults(t *testing.T) {
	d := newDomo(t, glue("2021-12-14T00:11:39", "2021-12-15T00:00:00"), users)
	behave(d, domo.Behaviour{PerToken: 2, Faults: []string{"429", "503", "query", "cut"}})
	got := run(t, config(d, nil), "")
	if got.err != nil || ecl(got.records[explorer]) != "0 1" || len(got.records["Glue_ Users"]) != 2 {
		t.Fatal(got.err, got.records)
	}
	if d.Tokens() < 4 {
		t.Errorf("%d logins", d.Tokens())
	}
	if strings.Contains(got.log, "canary") {
		t.Errorf("a secret is in the log:\n%s", got.log)
	}
}

func TestAFailureInTheMiddleIsResumed(t *testing.T) {
	var times []string
	for day := 1; day <= 20; day++ {
		times = append(times, fmt.Sprintf("2021-12-%02dT12:00:00", day))
	}
	d := newDomo(t, glue(times...))
	c := config(d, map[string]any{"datasets": []any{explorer}, "slice_rows": 10, "retries": 0})
	behave(d, domo.Behaviour{Faults: []string{"", "", "", "", "", "503"}})
	first := run(t, c, "")
	if first.err == nil || first.state == "" || len(first.records[explorer]) == 0 {
		t.Fatal(first.err, first.state, len(first.records[explorer]))
	}
	behave(d, domo.Behaviour{})
	second := run(t, c, first.state)
	if second.err != nil {
		t.Fatal(second.err)
	}
	both := append(slices.Clone(first.records[explorer]), second.records[explorer]...)
	slices.Sort(both)
	if n := len(slices.Compact(both)); n != 20 || len(second.records[explorer]) == 20 {
		t.Errorf("%d of 20 rows, %d of them in the second run", n, len(second.records[explorer]))
	}
	// The dataset grew: the next run asks for what is new, by one query.
	d.Forget()
	d.Change(func(_ *domo.Behaviour, sets *[]*domo.Dataset) {
		(*sets)[0].Rows = append((*sets)[0].Rows, []string{"ecl-99", "2021-12-25T00:00:00", "All", "", "", "", "", ""})
	})
	third := run(t, c, second.state)
	if third.err != nil || ecl(third.records[explorer]) != "19 99" || len(d.Queries()) != 1 || !strings.Contains(d.Queries()[0], "`Time` >= '2021-12-20T12:00:00'") {
		t.Errorf("%v %q %q", third.err, ecl(third.records[explorer]), d.Queries())
	}
}

func TestDiscovery(t *testing.T) {
	sets := []*domo.Dataset{glue()}
	for n := range 120 {
		sets = append(sets, &domo.Dataset{ID: fmt.Sprintf("d-%d", n), Name: fmt.Sprintf("300121_Set %d", n/2*2), Columns: [][2]string{{"A", "STRING"}}})
	}
	d := newDomo(t, sets...)
	raw := run(t, config(d, nil), "")
	if raw.err != nil || len(raw.schemas) != 122 {
		t.Errorf("%v, %d streams", raw.err, len(raw.schemas))
	}
	if _, ok := raw.schemas["Set 0 d-1"]; !ok { // two of one name
		t.Error("datasets of one name are not told apart")
	}
}

func TestMistakesAreExplained(t *testing.T) {
	d := newDomo(t, glue(), users)
	for text, more := range map[string]map[string]any{
		"the login is refused: POST " + d.URL + "/oauth/token answers 401 Unauthorized": {"password": "canary-wrong"},
		`there is no dataset "Glue"`:     {"datasets": []any{"Glue"}},
		"is not before end_date":         {"start_date": "2022-02-01T00:00:00Z"},
		"slice_rows is 0":                {"slice_rows": 0},
		"url_base is no URL of a server": {"url_base": "domo"},
	} {
		got := run(t, config(d, more), "")
		if got.err == nil || !strings.Contains(got.err.Error(), text) || strings.Contains(got.err.Error()+got.log, "canary") {
			t.Errorf("%v\nwant %s", got.err, text)
		}
	}
	// The dataset that the catalog was made of is gone: its stream fails alone.
	var out bytes.Buffer
	raw, _ := json.Marshal(config(d, nil))
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := taps.Serve(t.Context(), New(), []string{"--config", path, "--discover"}, taps.IO{Out: &out, Err: &bytes.Buffer{}}, nil); err != nil {
		t.Fatal(err)
	}
	catalog := filepath.Join(t.TempDir(), "catalog.json")
	if err := os.WriteFile(catalog, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Change(func(_ *domo.Behaviour, sets *[]*domo.Dataset) { *sets = (*sets)[1:] })
	got := run(t, config(d, nil), "", "--catalog", catalog)
	if got.err == nil || !strings.Contains(got.err.Error(), "stream \""+explorer) || len(got.records["Glue_ Users"]) != 2 {
		t.Errorf("%v %v", got.err, got.records)
	}
}

// A dataset that grows while it is read, several rows to a second, below the
// end of a slice that was read already: nothing is passed over, nothing comes
// twice in a run, and equal rows are told apart, with a key and without.
func TestADatasetThatGrowsWhileItIsRead(t *testing.T) {
	for _, keys := range []map[string]any{nil, {domo.ExplorerName: []any{}}} {
		for _, perRequest := range []int{1, 7} {
			at := 1500
			d := domo.Start(domo.Behaviour{Grow: func(s *domo.Dataset) {
				for range min(perRequest, 1650-at) {
					s.Rows = append(s.Rows, domo.ExplorerRow(at))
					at++
				}
			}}, domo.Explorer(at))
			more := map[string]any{"slice_rows": 150, "datasets": []any{"b1c2-explorer"}}
			if keys != nil {
				more["stream_keys"] = keys
			}
			first := run(t, config(d, more), "")
			if first.err != nil {
				t.Fatal(first.err)
			}
			got := first.records[explorer]
			seen := map[string]bool{}
			for _, r := range got {
				if keys == nil && seen[r] {
					t.Fatalf("twice: %s", r)
				}
				seen[r] = true
			}
			// All rows up to the bookmark's second are there: compared with
			// the source as often as they are there.
			at2 := map[string]int{}
			_, newest, _ := strings.Cut(first.state, `"replication_key_value":"`)
			newest, _, _ = strings.Cut(newest, "+")
			for _, r := range got {
				_, when, _ := strings.Cut(r, `"Time":"`)
				when, _, _ = strings.Cut(when, "+")
				at2[when]++
			}
			for when, n := range at2 {
				if when != newest && n != 5 {
					t.Errorf("%d per request: %d rows at %s, not 5", perRequest, n, when)
				}
			}
			if n := len(at2); n < 300 {
				t.Errorf("only %d seconds", n)
			}
			d.Close()
		}
	}
}
