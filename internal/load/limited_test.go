package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/taps"
	"elt/targets"
)

// A fused run that reaches a limit goes on to its next position: what that
// covers is committed and shown, and nothing is activated or swapped.
func TestLimitsOfAFusedRun(t *testing.T) {
	mark := func(s string) string { return `{"bookmarks":{` + s + `"z":7}}` }
	rows := func(n int64) limit.Limits { return limit.Limits{Rows: n} }
	preview := limit.Limits{PerStream: 3}
	for _, c := range []struct {
		name, script string
		limits       limit.Limits
		schema       *row.Schema
		method       targets.Method
		lines        string
		rows         int64
		published    bool
		err          string // "" when the run was complete
	}{
		{"keyed", "a: a2 P a2 P a2 P a2 P V5 E", rows(3), keyed("a"), targets.Upsert, mark(`"a":4,`), 4, true, "max_rows: 3"},
		{"at its end", "a: a2 P a2 P V5 E", rows(3), keyed("a"), targets.Upsert, mark(`"a":4,`), 4, true, ""},
		{"below it", "a: a2 P a2 P V5 E", rows(5), keyed("a"), targets.Upsert, mark(`"a":4,`), 4, true, ""},
		{"no position comes", "a: a2 a2 a2 a2 V5 E", rows(2), keyed("a"), targets.Upsert, "", 4, true, "max_rows: 2"},
		{"bytes", "a: a2 P a2 P a2 P E", limit.Limits{Bytes: 1}, keyed("a"), targets.Upsert, mark(`"a":2,`), 2, true, "max_bytes: 1"},
		{"keyless, at a position", "a: a2 P a2 P a2 P E", rows(3), keyless("a"), targets.Append, mark(`"a":4,`), 4, true, "max_rows: 3"},
		{"keyless, exact, no further position", "a: a2 X a2 a2 a2 E", rows(3), keyless("a"), targets.Append, "", 0, false, "max_rows: 3"},
		{"overwrite", "a: a2 P a2 P a2 P V5 E", rows(3), keyed("a"), targets.Overwrite, "", 0, false, "max_rows: 3"},
		{"preview", "a: a2 P a2 P a2 P V5 E", preview, keyed("a"), targets.Upsert, "", 3, true, ""},
		{"preview without a key", "a: a2 P a2 P a2 P V5 E", preview, keyless("a"), targets.Append, "", 3, true, ""},
		{"preview of less", "a: a2 P V5 E", preview, keyless("a"), targets.Append, "", 2, true, ""},
		{"preview of a table that is replaced", "a: a2 P a2 P V5 E", preview, keyed("a"), targets.Overwrite, "", 0, false, "a preview would replace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeSink()
			f.method["a"] = c.method
			out, err := limited(t, t.Context(), f, c.limits, scripted{streams: ab(c.schema, nil), scripts: []string{c.script}})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if strings.HasPrefix(c.err, "max_") && fault.CodeOf(err) != fault.LimitReached {
				t.Errorf("code %d", fault.CodeOf(err))
			}
			if out.all() != c.lines || f.count("a") != c.rows || f.published["a"] != c.published {
				t.Errorf("printed %s, %d rows, published %v", out.all(), f.count("a"), f.published["a"])
			}
			if got, want := f.activated["a"] == 5, c.err == "" && c.limits.PerStream == 0; got != want {
				t.Errorf("activated %v", f.activated)
			}
		})
	}
}

// Each stream under way reaches a position; those after them are not begun.
func TestLimitsOfManyStreams(t *testing.T) {
	f := newFakeSink()
	f.lanes = 2
	out, err := limited(t, t.Context(), f, limit.Limits{Rows: 4}, scripted{streams: ab(keyed("a"), keyed("b")),
		scripts: []string{"a: a3 P E", "b: b3 P b3 P E", "a: a9 P E"}})
	if fault.CodeOf(err) != fault.LimitReached || !strings.HasSuffix(out.all(), `{"bookmarks":{"a":3,"b":3,"z":7}}`) {
		t.Errorf("%v, printed %s", err, out.all())
	}
	if f.count("a") != 3 || f.count("b") != 3 || !f.finished {
		t.Errorf("%v, finished %v", f.committed, f.finished)
	}
}

// What else goes wrong is told.
func TestAFailureIsNotHiddenByALimit(t *testing.T) {
	f := newFakeSink()
	_, err := limited(t, t.Context(), f, limit.Limits{Rows: 2}, scripted{streams: ab(keyed("a"), keyed("b")),
		scripts: []string{"a: a1 P !", "b: b3 P b3 P E"}})
	if err == nil || !strings.Contains(err.Error(), "the source broke") || f.count("b") != 3 {
		t.Errorf("%v, %v", err, f.committed)
	}
}

// A silent tap has a minute after its time.
func TestTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, start := newFakeSink(), time.Now()
		out, err := limited(t, t.Context(), f, limit.Limits{Duration: time.Hour}, scripted{streams: ab(keyed("a"), nil), scripts: []string{"a: a2 P a Z"}})
		if took := time.Since(start); fault.CodeOf(err) != fault.LimitReached || took != time.Hour+time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		if out.all() != `{"bookmarks":{"a":2,"z":7}}` || f.count("a") != 3 {
			t.Errorf("printed %s, %d rows", out.all(), f.count("a"))
		}
	})
}

func limited(t *testing.T, ctx context.Context, f *fakeSink, limits limit.Limits, tap scripted) (*honestMarks, error) {
	t.Helper()
	opt := defaults()
	opt.Preview, opt.NoUpdate = limits.PerStream > 0, limits.PerStream > 0
	out := &honestMarks{honest{f: f}}
	s := NewSession(f, opt, out, nil, t.Logf)
	o := s.Output(marks(`{"bookmarks":{"z":7}}`))
	err := fuseLimited(ctx, limits, o, func(ctx context.Context, out taps.Output) error {
		return tap.Sync(ctx, spec.Config{}, nil, marks(""), out)
	})
	if err := errors.Join(err, s.Close()); len(out.lies) > 0 || f.openLanes != 0 {
		t.Errorf("%v; lies %v, %d lanes open", err, out.lies, f.openLanes)
	}
	return out, err
}

// The runner cuts a Singer input after a STATE and says so.
func TestAnInputThatALimitEnded(t *testing.T) {
	for _, c := range []struct {
		name, script string
		schema       *row.Schema
		method       targets.Method
		keyless      string
		lines        string
		rows         int64
	}{
		{"keyed", "a2 S a2 S", keyed("a"), targets.Upsert, "hold", `{"a":4}`, 4},
		{"keyed, rows after the STATE", "a2 S a2 S a", keyed("a"), targets.Upsert, "hold", `{"a":4}`, 5},
		{"keyed, no STATE", "a2", keyed("a"), targets.Upsert, "hold", "", 2},
		{"keyless", "a2 S a2 S", keyless("a"), targets.Append, "hold", `{"a":4}`, 4},
		{"keyless, rows after the STATE", "a2 S a", keyless("a"), targets.Append, "hold", "", 0},
		{"keyless, no STATE", "a2", keyless("a"), targets.Append, "hold", "", 0},
		{"keyless, progress", "a2 S a2 S", keyless("a"), targets.Append, "progress", `{"a":4}`, 4},
		{"overwrite", "a2 S a2 S", keyed("a"), targets.Overwrite, "hold", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeSink()
			f.method["a"] = c.method
			opt := defaults()
			opt.Keyless = c.keyless
			in, out, err := play(t, f, opt, "V5a "+c.script, c.schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := in.Suspend(); err != nil {
				t.Fatal(err)
			}
			if out.all() != c.lines || f.count("a") != c.rows || f.published["a"] != (c.rows > 0) || len(f.activated) > 0 || len(out.lies) > 0 {
				t.Errorf("printed %q, %d rows, published %v, activated %v, lies %v", out.all(), f.count("a"), f.published, f.activated, out.lies)
			}
		})
	}
}
