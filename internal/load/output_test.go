package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/targets"
)

// scripted is a tap whose streams each play a script, one after another or
// all at once: "a2" two rows, "P" a position, "X" an exact one, "V5" version
// 5, "E" the end, "!" a failure, "Z" a wait for the context's end.
type scripted struct {
	streams  map[string]*row.Schema
	scripts  []string // "a: a2 P E"
	parallel bool
}

func (scripted) Spec() spec.Spec { return spec.Spec{Name: "tap-scripted"} }
func (scripted) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	return nil, errors.ErrUnsupported
}

func (s scripted) Sync(ctx context.Context, _ spec.Config, _ *singer.Catalog, _ singer.Bookmarks, out taps.Output) error {
	results := make(chan error, len(s.scripts))
	slots := make(chan struct{}, out.Parallel())
	for _, script := range s.scripts {
		if !s.parallel {
			results <- s.play(ctx, script, out)
			continue
		}
		slots <- struct{}{}
		go func() {
			results <- s.play(ctx, script, out)
			<-slots
		}()
	}
	var errs []error
	for range s.scripts {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func (s scripted) play(ctx context.Context, script string, out taps.Output) error {
	name, steps, _ := strings.Cut(script, ":")
	schema := s.streams[name]
	st, err := out.Stream(ctx, schema)
	if err != nil {
		return err
	}
	defer st.Close()
	rows := 0
	for _, step := range strings.Fields(steps) {
		switch step[0] {
		case 'P', 'X':
			err = st.Position(taps.Position{Stream: name, Value: json.RawMessage(fmt.Sprint(rows)), Exact: step == "X"})
		case 'V':
			err = st.Activate(int64(step[1] - '0'))
		case 'E':
			err = st.End()
		case '!':
			err = fmt.Errorf("stream %s: the source broke", name)
		case 'Z':
			<-ctx.Done()
			err = ctx.Err()
		default:
			n := 1
			if len(step) > 1 {
				n = int(step[1] - '0')
			}
			rows += n
			err = st.Write(ids(schema, n))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fakeTarget opens a fakeSink.
type fakeTarget struct{ f *fakeSink }

func (fakeTarget) Spec() spec.Spec {
	return spec.Spec{Name: "target-fake", Summary: "Fakes.", Settings: Settings()}
}
func (t fakeTarget) Open(context.Context, spec.Config) (targets.Sink, error) { return t.f, nil }

// honestMarks is stdout that checks assembled STATE lines.
type honestMarks struct{ honest }

func (h *honestMarks) Write(p []byte) (int, error) {
	var says struct {
		Bookmarks map[string]int64 `json:"bookmarks"`
	}
	if err := json.Unmarshal(p, &says); err != nil {
		h.lies = append(h.lies, err.Error())
	}
	for s, n := range says.Bookmarks {
		if s != "z" && h.f.count(s) < n {
			h.lies = append(h.lies, fmt.Sprintf("%s printed with %d of %s", p, h.f.count(s), s))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, strings.TrimSpace(string(p)))
	return len(p), nil
}

func fuse(t *testing.T, ctx context.Context, f *fakeSink, settings string, tap scripted) (*honestMarks, error) {
	t.Helper()
	cfg, _, err := fakeTarget{f}.Spec().Resolve(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	out := &honestMarks{honest{f: f}}
	err = Fuse(ctx, Fused{Tap: tap, Target: fakeTarget{f}, TargetConfig: cfg, Bookmarks: marks(`{"bookmarks":{"z":7}}`)},
		IO{Out: out, Err: io.Discard}, nil)
	if len(out.lies) > 0 {
		t.Error(out.lies)
	}
	if f.openLanes != 0 || !f.aborted {
		t.Errorf("%d lanes open, released %v", f.openLanes, f.aborted)
	}
	return out, err
}

func ab(a, b *row.Schema) map[string]*row.Schema { return map[string]*row.Schema{"a": a, "b": b} }

func TestFusedStreams(t *testing.T) {
	mark := func(s string) string { return `{"bookmarks":{` + s + `"z":7}}` }
	cases := []struct {
		name, settings, script string
		schema                 *row.Schema
		method                 targets.Method
		lines                  string
		rows                   int64
		published              bool
		err                    string
	}{
		{"a keyed stream commits in between", `{"batch_size_rows":2}`, "a: a P a P a P E", keyed("a"), targets.Upsert,
			mark(`"a":1,`) + " " + mark(`"a":3,`), 3, true, ""},
		{"rows beyond the position come again", `{"batch_size_rows":2}`, "a: a P a2 !", keyed("a"), targets.Upsert,
			mark(`"a":1,`), 3, false, "the source broke"},
		{"broken off, the covered part stays", `{}`, "a: a2 P a !", keyed("a"), targets.Upsert, mark(`"a":2,`), 3, false, "the source broke"},
		{"keyless and exact", `{"batch_size_rows":2}`, "a: a X a a X a X E", keyless("a"), targets.Append,
			mark(`"a":3,`) + " " + mark(`"a":4,`), 4, true, ""},
		{"keyless and exact, broken off at a position", `{}`, "a: a X a a X !", keyless("a"), targets.Append, mark(`"a":3,`), 3, false, "the source broke"},
		{"keyless and exact, broken off behind one", `{}`, "a: a X a !", keyless("a"), targets.Append, "", 0, false, "the source broke"},
		{"keyless and vague", `{"batch_size_rows":1}`, "a: a P a P a P E", keyless("a"), targets.Append, mark(`"a":3,`), 3, true, ""},
		{"keyless and vague, broken off", `{"batch_size_rows":1}`, "a: a P a P !", keyless("a"), targets.Append, "", 0, false, "the source broke"},
		{"keyless, vague, progress", `{"batch_size_rows":1,"keyless":"progress"}`, "a: a P a P !", keyless("a"), targets.Append,
			mark(`"a":1,`) + " " + mark(`"a":2,`), 2, false, "the source broke"},
		{"overwrite", `{"batch_size_rows":1}`, "a: a P a P V5 E", keyed("a"), targets.Overwrite, mark(`"a":2,`), 2, true, ""},
		{"overwrite, broken off", `{"batch_size_rows":1}`, "a: a P a P !", keyed("a"), targets.Overwrite, "", 2, false, "the source broke"},
		{"no position", `{}`, "a: a2 E", keyed("a"), targets.Upsert, "", 2, true, ""},
		{"never ended", `{}`, "a: a2", keyed("a"), targets.Upsert, "", 0, false, "stream a was broken off"},
	}
	for _, c := range cases {
		bothWays(t, c.name, func(t *testing.T, run runner) {
			f := newFakeSink()
			f.method["a"] = c.method
			out, err := run(t, t.Context(), f, c.settings, scripted{streams: ab(c.schema, nil), scripts: []string{c.script}})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if out.all() != c.lines || f.count("a") != c.rows || f.published["a"] != c.published || f.finished != c.published {
				t.Errorf("printed %s, %d rows, published %v, finished %v", out.all(), f.count("a"), f.published["a"], f.finished)
			}
			if got := f.activated["a"]; (got == 5) != (c.published && strings.Contains(c.script, "V5")) {
				t.Errorf("activated %d", got)
			}
		})
	}
}

func TestAFailingStreamLeavesTheOthersAlone(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		bothWays(t, fmt.Sprintf("parallel %v", parallel), func(t *testing.T, run runner) {
			f := newFakeSink()
			f.lanes = 4
			out, err := run(t, t.Context(), f, `{"parallelism":2}`, scripted{streams: ab(keyed("a"), keyed("b")), parallel: parallel,
				scripts: []string{"a: a2 P a !", "b: b3 P E"}})
			if err == nil || !strings.Contains(err.Error(), "stream a") || !f.published["b"] || f.published["a"] || f.finished {
				t.Errorf("error %v, published %v", err, f.published)
			}
			if !strings.Contains(out.all(), `"b":3`) {
				t.Errorf("printed %s", out.all())
			}
		})
	}
}

func TestEveryCallOfAFusedRunMayFail(t *testing.T) {
	tap := scripted{streams: ab(keyed("a"), keyless("b")), scripts: []string{"a: a2 P a P E", "b: b2 X b X b E"}}
	clean := newFakeSink()
	if _, err := fuse(t, t.Context(), clean, `{"batch_size_rows":2}`, tap); err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= clean.calls; k++ {
		f := newFakeSink()
		f.failAt = k
		if _, err := fuse(t, t.Context(), f, `{"batch_size_rows":2}`, tap); !errors.Is(err, errInjected) || f.finished {
			t.Errorf("call %d failed: error %v, finished %v", k, err, f.finished)
		}
	}
}

func TestSIGTERMCommitsWhatIsCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFakeSink()
		time.AfterFunc(time.Second, cancel)
		out, err := fuse(t, ctx, f, `{}`, scripted{streams: ab(keyed("a"), nil), scripts: []string{"a: a2 P V5 Z"}})
		if fault.CodeOf(err) != fault.Terminated {
			t.Errorf("error %v, want 143", err)
		}
		if out.all() != `{"bookmarks":{"a":2,"z":7}}` || f.published["a"] || f.activated["a"] != 0 {
			t.Errorf("printed %s, published %v, activated %v", out.all(), f.published, f.activated)
		}
	})
}

func TestAnIdleTapStillAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSink()
		s := NewSession(f, defaults(), io.Discard, nil, t.Logf)
		defer s.Close()
		o := s.Output(singer.Bookmarks{})
		st, err := o.Stream(t.Context(), keyed("a"))
		if err != nil {
			t.Fatal(err)
		}
		st.Write(ids(keyed("a"), 2))
		st.Position(taps.Position{Value: json.RawMessage(`2`)})
		p := <-o.Acked()
		if p.Stream != "a" || string(p.Value) != "2" || f.count("a") != 2 {
			t.Errorf("acknowledged %+v", p)
		}
		st.Close()
		o.Close(t.Context(), false)
		if _, open := <-o.Acked(); open {
			t.Error("a position after the last")
		}
	})
}

func TestWindowedRunsCannotOverwrite(t *testing.T) {
	f := newFakeSink()
	f.method["a"] = targets.Overwrite
	opt := defaults()
	opt.Windowed = true
	in, _, _ := play(t, f, opt, "a", keyed("a"))
	if err := in.End(); err == nil || !strings.Contains(err.Error(), "stream a: a windowed run cannot overwrite") {
		t.Errorf("error %v", err)
	}
}
