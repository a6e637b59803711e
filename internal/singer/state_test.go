package singer

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	for _, c := range [][3]string{
		{``, ``, ``},
		{`{}`, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, `null`, `{"a":1}`},
		{`{"bookmarks":{"a":{"v":1,"w":2},"b":[1,2]}}`, `{"bookmarks":{"a":{"v":1.50},"b":[3],"c":null}}`,
			`{"bookmarks":{"a":{"v":1.50,"w":2},"b":[3],"c":null}}`},
		{`{"a":{"x":1}}`, `{"a":5}`, `{"a":5}`},
		{`{"a":5}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{`{"n":12345678901234567890123.4500}`, `{"m":1e400}`, `{"m":1e400,"n":12345678901234567890123.4500}`},
	} {
		got, err := Merge(json.RawMessage(c[0]), json.RawMessage(c[1]))
		if err != nil {
			t.Fatal(err)
		}
		if c[2] == "" && got == nil {
			continue
		}
		if !EqualJSON(got, []byte(c[2])) {
			t.Errorf("%s + %s = %s, want %s", c[0], c[1], got, c[2])
		}
	}
	got, _ := Merge([]byte(`{"n":12345678901234567890123.4500}`), []byte(`{"m":1e400}`))
	if !strings.Contains(string(got), "12345678901234567890123.4500") || !strings.Contains(string(got), "1e400") {
		t.Errorf("numbers were rewritten: %s", got)
	}
	if _, err := Merge([]byte(`{"a":`), []byte(`{"b":1}`)); err == nil {
		t.Error("broken JSON merges")
	}
}

func TestEqualJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`1`, `1.0`, true}, {`1`, `10e-1`, true}, {`100`, `1E+2`, true}, {`0`, `-0.00`, true}, {`1`, `-1`, false},
		{`9007199254740993`, `9007199254740992`, false}, {`0.1`, `0.10000000000000001`, false},
		{`1`, `"1"`, false}, {`true`, `1`, false}, {`null`, `0`, false}, {`{"a":1,"b":[2, 3]}`, `{ "b":[2.0,3],"a":1}`, true},
		{`[1,2]`, `[2,1]`, false}, {`"\u0041"`, `"A"`, true}, {`{"a":null}`, `{}`, false}, {`[1,[2]]`, `[[1],2]`, false},
		{`1e99999999999`, `1e99999999999`, true}, {`x`, `x`, true}, {`x`, `1`, false}, {`{"a,b":1}`, `{"a":1}`, false},
	} {
		if EqualJSON([]byte(c.a), []byte(c.b)) != c.same || EqualJSON([]byte(c.b), []byte(c.a)) != c.same {
			t.Errorf("%s and %s: want same %v", c.a, c.b, c.same)
		}
	}
}

// Invariant 5: what was never sent, or was emptied, does not count.
func TestTrace(t *testing.T) {
	const start = `{"currently_syncing":"x","bookmarks":{"a":{"v":1},"b":{"v":7.0}}}`
	for _, c := range []struct {
		name, start string
		forwarded   []string
		acked, want string // want: part of the error, "" when it counts
	}{
		{"the starting state", start, nil, start, ""},
		{"another spelling", start, nil, `{"bookmarks":{"b":{"v":7},"a":{"v":1.0}}}`, ""},
		{"a mix of old and new", start, []string{`{"bookmarks":{"a":{"v":2},"b":{"v":8}}}`}, `{"bookmarks":{"a":{"v":2},"b":{"v":7}}}`, ""},
		{"currently_syncing aside", start, nil, `{"currently_syncing":null,"bookmarks":{"a":{"v":1},"b":{"v":7}}}`, ""},
		{"invented", start, []string{`{"bookmarks":{"a":{"v":2},"b":{"v":8}}}`}, `{"bookmarks":{"a":{"v":3},"b":{"v":8}}}`, `"a"`},
		{"of another stream", start, nil, `{"bookmarks":{"a":{"v":7},"b":{"v":7}}}`, `"a"`},
		{"emptied", start, nil, `{}`, "empty"},
		{"null", start, nil, `null`, "empty"},
		{"no bookmarks left", start, nil, `{"bookmarks":{}}`, "empty"},
		{"taken back by the tap", `{}`, []string{`{"bookmarks":{"a":{"at":1}}}`, `{"bookmarks":{"a":{}}}`}, `{"bookmarks":{"a":{}}}`, ""},
		{"all emptied, not by the tap", start, nil, `{"bookmarks":{"a":{},"b":{}}}`, "empty"},
		{"one emptied", start, nil, `{"bookmarks":{"a":{"v":1},"b":{}}}`, `"b"`},
		{"one lost", start, []string{`{"bookmarks":{"a":{"v":2},"b":{"v":8}}}`}, `{"bookmarks":{"a":{"v":2}}}`, `"b"`},
		{"one dropped by the tap", start, []string{`{"bookmarks":{"a":{"v":2}}}`}, `{"bookmarks":{"a":{"v":2}}}`, ""},
		{"first run", ``, []string{`{"bookmarks":{"a":1}}`, `{"bookmarks":{"a":1,"b":2}}`}, `{"bookmarks":{"a":1,"b":2}}`, ""},
		{"nothing known, nothing said", ``, []string{`{}`}, `{}`, ""},
		{"own shape", `{"since":5}`, []string{`{"since":6}`}, `{"since":6.0}`, ""},
		{"own shape, invented", `{"since":5}`, []string{`{"since":6}`}, `{"since":7}`, `"state.since"`},
		{"big numbers apart", ``, []string{`{"lsn":9007199254740993}`}, `{"lsn":9007199254740992}`, `lsn`},
		{"no JSON", start, nil, `{"a"`, "no JSON"},
	} {
		trace := NewTrace(NewBookmarks([]byte(c.start)))
		for _, f := range c.forwarded {
			trace.Forwarded([]byte(f))
		}
		err := trace.Check([]byte(c.acked))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A target of ours acknowledges each stream by itself.
func TestTraceOfAPeer(t *testing.T) {
	tr := NewTrace(NewBookmarks(json.RawMessage(`{"bookmarks":{"z":1}}`)))
	tr.Moved("a", json.RawMessage(`{"bookmarks":{"a":1}}`))
	tr.Moved("b", json.RawMessage(`{"bookmarks":{"b":1}}`))
	for acked, good := range map[string]bool{
		`{"bookmarks":{"a":1,"z":1}}`: true, `{"bookmarks":{"b":1,"z":1}}`: true, `{"bookmarks":{"a":1,"b":1,"z":1}}`: true,
		`{"bookmarks":{"a":1}}`: false, `{"bookmarks":{"b":2,"z":1}}`: false, `{}`: false,
	} {
		if err := tr.Check(json.RawMessage(acked)); (err == nil) != good {
			t.Errorf("%s: %v", acked, err)
		}
	}
}

// A tap of ours may take a stream's bookmark back, of which others are silent.
func TestTraceOfAPeerThatTakesBack(t *testing.T) {
	tr := NewTrace(NewBookmarks(json.RawMessage(`{"bookmarks":{"y":1,"z":1}}`)))
	tr.Moved("z", json.RawMessage(`{"bookmarks":{}}`))
	if err := tr.Check(json.RawMessage(`{"bookmarks":{"y":1}}`)); err != nil {
		t.Error(err)
	}
	if err := tr.Check(json.RawMessage(`{"bookmarks":{"z":1}}`)); err == nil {
		t.Error("y was lost")
	}
}

func TestTraceOfManyValuesForgetsNoneAndStaysSmall(t *testing.T) {
	trace := NewTrace(Bookmarks{})
	value := func(n int) []byte { return fmt.Appendf(nil, `{"bookmarks":{"a":%d}}`, n) }
	const many = exactTraces + 20000
	for n := range many {
		trace.Forwarded(value(n))
	}
	if len(trace.exact) > exactTraces {
		t.Errorf("%d values are kept exactly", len(trace.exact))
	}
	for _, n := range []int{0, 1, exactTraces - 1, exactTraces, many - 1} {
		if err := trace.Check(value(n)); err != nil {
			t.Errorf("value %d: %v", n, err)
		}
	}
	wrong := 0
	for n := many; n < many+2000; n++ {
		if trace.Check(value(n)) == nil {
			wrong++
		}
	}
	if wrong > 20 {
		t.Errorf("%d of 2000 invented values pass", wrong)
	}
}

func TestWrapState(t *testing.T) {
	for value, wrapped := range map[string]string{``: `{}`, `{}`: `{}`, `null`: `{}`, `{"a":1.10}`: `{"singer_state":{"a":1.10}}`} {
		got := WrapState(json.RawMessage(value))
		if string(got) != wrapped {
			t.Errorf("%s: %s, want %s", value, got, wrapped)
		}
		if back, err := UnwrapState(got); err != nil || !NewBookmarks(back).IsZero() && string(back) != value {
			t.Errorf("%s: back as %s, %v", value, back, err)
		}
	}
	for _, bad := range []string{`{"a":1}`, `5`, `{"singer_state":5}`, `{"singer_state":`, `[]`} {
		if v, err := UnwrapState(json.RawMessage(bad)); err == nil {
			t.Errorf("%s passes as %s", bad, v)
		}
	}
	if v, err := UnwrapState(json.RawMessage(`{"singer_state":null}`)); v != nil || err != nil {
		t.Errorf("%s, %v", v, err)
	}
}

func TestSkipsNothing(t *testing.T) {
	for state, want := range map[string]bool{
		``: true, `{}`: true, `{"bookmarks":{}}`: true, `{"bookmarks":{"a":{}, "b":null},"currently_syncing":"a"}`: true,
		`{"bookmarks":{"a":{},"b":{"v":0}}}`: false, `{"a":"2024-01-01"}`: false, `{"bookmarks":{"a":{}},"other":1}`: false, `{"bookmarks":[1]}`: false, `[1]`: false,
	} {
		if got := NewBookmarks(json.RawMessage(state)).SkipsNothing(); got != want {
			t.Errorf("SkipsNothing of %s: %v", state, got)
		}
	}
}

func TestMoved(t *testing.T) {
	for _, c := range []struct {
		start, now string
		want       bool
	}{
		{``, `{"replication_key_value":"2024","replication_key":"at"}`, true},
		{`{"replication_key_value":"2024"}`, `{"replication_key_value":"2025"}`, true},
		{`{"id":7.0}`, `{ "id" : 7 }`, false},
		{``, `{"xmin":12,"version":3}`, true},
		{``, `"2024-01-01"`, true},
		{``, ``, false},
		{``, `{}`, false},
		{``, `{"version":1700000000000,"last_replication_method":"FULL_TABLE"}`, false},
		{``, `{"starting_replication_value":"2020","replication_key":"at"}`, false},
		{``, `{"partitions":[{"context":{"a":1},"progress_markers":{"replication_key_value":5}}]}`, false},
	} {
		if got := Moved(json.RawMessage(c.start), json.RawMessage(c.now)); got != c.want {
			t.Errorf("from %s to %s: %v", c.start, c.now, got)
		}
	}
}
