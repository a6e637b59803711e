package load

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"elt/internal/row"
	"elt/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play feeds a script: "a2" is two rows of stream a, "b" one row of b, "S" a
// STATE over all rows so far, "V5a" version 5 of stream a, "R" a bad record.
func play(t testing.TB, f *fakeSink, opt Options, script string, schemas ...*row.Schema) (*Input, *honest, error) {
	t.Helper()
	out := &honest{f: f}
	s := NewSession(f, opt, out, nil, t.Logf)
	t.Cleanup(func() { s.Close() })
	in := s.Input(t.Context())
	ctx := t.Context()
	by := map[string]*row.Schema{}
	for _, sc := range schemas {
		by[sc.Stream] = sc
		if err := in.Schema(ctx, sc); err != nil {
			return in, out, err
		}
	}
	n := map[string]int64{}
	for _, word := range strings.Fields(script) {
		var err error
		switch {
		case word == "S":
			err = in.State(ctx, counts(n))
		case word == "S0":
			err = in.State(ctx, counts(map[string]int64{"a": 0}))
		case word == "{}" || word == "null":
			err = in.State(ctx, json.RawMessage(word))
		case word == "R":
			err = in.Reject(ctx, "a", json.RawMessage(`{"id":"x"}`), errors.New("no integer"))
		case word[0] == 'V':
			err = in.Activate(ctx, word[len(word)-1:], int64(word[1]-'0'))
		default:
			k := 1
			if len(word) > 1 {
				k = int(word[1] - '0')
			}
			n[word[:1]] += int64(k)
			err = in.Write(ctx, ids(by[word[:1]], k))
		}
		if err != nil {
			return in, out, err
		}
	}
	return in, out, nil
}

func defaults() Options {
	return Options{BatchBytes: 64 << 20, BatchAge: 10, Keyless: "hold", OnBadRecord: "fail"}
}

func TestWatermarkOfTheSDKStream(t *testing.T) {
	for _, rows := range []int64{3, 4} {
		f := newFakeSink()
		opt := defaults()
		opt.BatchRows = rows
		in, out, err := play(t, f, opt, "a S a b S a b S a2 b S b3 S a", keyed("a"), keyed("b"))
		if err != nil {
			t.Fatal(err)
		}
		if err := in.End(); err != nil {
			t.Fatal(err)
		}
		if got, want := out.all(), `{"a":1} {"a":3,"b":2} {"a":5,"b":6}`; got != want {
			t.Errorf("batch_size_rows %d: printed %s, want %s", rows, got, want)
		}
		if len(out.lies) > 0 {
			t.Error(out.lies)
		}
	}
}

func TestEndings(t *testing.T) {
	type want struct {
		lines     string
		committed int64
		published bool
	}
	over := func(f *fakeSink) { f.method["a"] = targets.Overwrite }
	none := func(*fakeSink) {}
	cases := []struct {
		name, script string
		rows         int64
		schema       *row.Schema
		prepare      func(*fakeSink)
		keyless      string
		end, stop    want
		broken       want
	}{
		{"keyed", "a S a", 0, keyed("a"), none, "hold",
			want{`{"a":1}`, 2, true}, want{`{"a":1}`, 2, false}, want{"", 0, false}},
		{"keyed, committed on the way", "a2 S a", 2, keyed("a"), none, "hold",
			want{`{"a":2}`, 3, true}, want{`{"a":2}`, 3, false}, want{"", 2, false}},
		{"keyless is held to the end", "a S a S a S", 1, keyless("a"), none, "hold",
			want{`{"a":3}`, 3, true}, want{"", 0, false}, want{"", 0, false}},
		{"keyless with progress commits at STATE", "a S a S a", 1, keyless("a"), none, "progress",
			want{`{"a":1} {"a":2}`, 3, true}, want{`{"a":1} {"a":2}`, 2, false}, want{`{"a":1} {"a":2}`, 2, false}},
		{"overwrite commits rows, withholds STATE", "a S a S", 1, keyless("a"), over, "hold",
			want{`{"a":2}`, 2, true}, want{"", 2, false}, want{"", 2, false}},
		{"state only", "S0 S0", 0, keyed("a"), none, "hold",
			want{`{"a":0}`, 0, true}, want{`{"a":0}`, 0, false}, want{"", 0, false}},
		{"empty states", "a {} S null", 0, keyed("a"), none, "hold",
			want{`{"a":1}`, 1, true}, want{`{"a":1}`, 1, false}, want{"", 0, false}},
		{"no rows", "", 0, keyed("a"), none, "hold",
			want{"", 0, true}, want{"", 0, false}, want{"", 0, false}},
	}
	for _, c := range cases {
		for ending, w := range map[string]want{"end": c.end, "stop": c.stop, "broken": c.broken} {
			t.Run(c.name+"/"+ending, func(t *testing.T) {
				f := newFakeSink()
				c.prepare(f)
				opt := defaults()
				opt.BatchRows, opt.Keyless = c.rows, c.keyless
				in, out, err := play(t, f, opt, c.script, c.schema)
				if err != nil {
					t.Fatal(err)
				}
				switch ending {
				case "end":
					err = in.End()
				case "stop":
					err = in.Stop()
				default:
					err = in.Discard()
				}
				if err != nil {
					t.Fatal(err)
				}
				got := want{out.all(), f.count("a"), f.published["a"]}
				if got != w {
					t.Errorf("got %+v, want %+v", got, w)
				}
				if f.openLanes != 0 {
					t.Errorf("%d lanes left open", f.openLanes)
				}
				if f.finished != (ending == "end") {
					t.Errorf("finished: %v", f.finished)
				}
				if len(out.lies) > 0 {
					t.Error(out.lies)
				}
			})
		}
	}
}

func TestVersionsWaitForTheEnd(t *testing.T) {
	f := newFakeSink()
	opt := defaults()
	opt.BatchRows = 1
	in, _, err := play(t, f, opt, "V7a a S V9a a V8a", keyed("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Discard(); err != nil || len(f.activated) > 0 || f.count("a") != 2 {
		t.Fatalf("a broken run activated %v, committed %d (%v)", f.activated, f.count("a"), err)
	}
	in, _, _ = play(t, f, opt, "V7a a S V9a a V8a", keyed("a"))
	if err := in.End(); err != nil || f.activated["a"] != 9 {
		t.Fatalf("activated %v (%v), want version 9", f.activated, err)
	}
	f = newFakeSink()
	opt.Windowed = true
	in, _, _ = play(t, f, opt, "V7a a", keyed("a"))
	if err := in.End(); err != nil || len(f.activated) > 0 {
		t.Fatalf("a windowed run activated %v (%v)", f.activated, err)
	}
}

func TestAgeLetsStateFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSink()
		in, out, err := play(t, f, defaults(), "a S", keyed("a"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if out.all() != "" {
			t.Errorf("printed %s after 9 s", out.all())
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if out.all() != `{"a":1}` {
			t.Errorf("printed %q after 12 s", out.all())
		}
		if err := in.Discard(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRejects(t *testing.T) {
	f := newFakeSink()
	in, _, err := play(t, f, defaults(), "a R", keyed("a"))
	if err == nil || err.Error() != "no integer" {
		t.Errorf("on_bad_record: fail gave %v", err)
	}
	in.Discard()
	opt := defaults()
	opt.OnBadRecord, opt.MaxBadRecords = "quarantine", 2
	in, _, _ = play(t, f, opt, "a R a R", keyed("a"))
	if err := in.End(); err != nil || len(f.rejects) != 2 || f.rejects[0] != `a: no integer: {"id":"x"}` {
		t.Errorf("rejects %q (%v)", f.rejects, err)
	}
	in, _, err = play(t, f, opt, "a R R R", keyed("a"))
	if err = errors.Join(err, in.End()); err == nil || !strings.Contains(err.Error(), "max_bad_records = 2") {
		t.Errorf("three rejects gave %v", err)
	}
}

// Whatever call fails, nothing is acknowledged that is not committed, nothing
// is published, no lane and no goroutine is left, and the error comes out.
func TestEveryCallMayFail(t *testing.T) {
	script := "a S b2 S V5a a3 R S b S a2 b4 S"
	opt := defaults()
	opt.BatchRows, opt.OnBadRecord = 2, "quarantine"
	clean := newFakeSink()
	in, _, _ := play(t, clean, opt, script, keyed("a"), keyed("b"))
	if err := in.End(); err != nil {
		t.Fatal(err)
	}
	if clean.calls < 15 {
		t.Fatalf("the script makes only %d calls", clean.calls)
	}
	for k := 1; k <= clean.calls; k++ {
		f := newFakeSink()
		f.failAt = k
		in, out, _ := play(t, f, opt, script, keyed("a"), keyed("b"))
		if err := in.End(); !errors.Is(err, errInjected) {
			t.Errorf("call %d failed, End said %v", k, err)
		}
		if f.openLanes != 0 || len(out.lies) > 0 || f.finished {
			t.Errorf("call %d failed: %d lanes open, finished %v, %v", k, f.openLanes, f.finished, out.lies)
		}
		if f.published["a"] && k != clean.calls {
			t.Errorf("call %d failed, and a was published", k)
		}
	}
}

func TestAnyInputIsAcknowledgedHonestly(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFakeSink()
		opt := defaults()
		opt.BatchRows = rapid.Int64Range(0, 5).Draw(r, "rows")
		opt.BatchBytes = rapid.Int64Range(0, 100).Draw(r, "bytes")
		opt.Keyless = rapid.SampledFrom([]string{"hold", "progress"}).Draw(r, "keyless")
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a2", "a7", "b", "b3", "c", "S", "S"}), 0, 40).Draw(r, "words")
		last := rapid.SampledFrom([]*row.Schema{keyed("c"), keyless("c")}).Draw(r, "c")
		in, out, err := play(t, f, opt, strings.Join(words, " "), keyed("a"), keyed("b"), last)
		if err != nil {
			r.Fatal(err)
		}
		if err := in.End(); err != nil {
			r.Fatal(err)
		}
		if len(out.lies) > 0 {
			r.Fatal(out.lies)
		}
		n, newest := map[string]int64{}, ""
		for _, w := range words {
			if w == "S" {
				newest = string(counts(n))
				continue
			}
			k := int64(1)
			if len(w) > 1 {
				k = int64(w[1] - '0')
			}
			n[w[:1]] += k
		}
		if newest == "{}" {
			newest = ""
		}
		if got := out.all(); newest != "" && !strings.HasSuffix(got, newest) || newest == "" && got != "" {
			r.Fatalf("printed %q, want the last STATE %s at its end", got, newest)
		}
		for s, want := range n {
			if f.count(s) != want {
				r.Fatalf("%d rows of %s committed, want %d", f.count(s), s, want)
			}
		}
	})
}

func TestMemoryOfManyStates(t *testing.T) {
	for _, schema := range []*row.Schema{keyed("a"), keyless("a")} {
		f := newFakeSink()
		in, _, err := play(t, f, defaults(), strings.Repeat("a S ", 500), schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Discard(); err != nil {
			t.Fatal(err)
		}
		if n := len(in.mark.states); n > 2 {
			t.Errorf("key %v: %d STATE values kept, want at most 2", schema.Key, n)
		}
	}
}

func TestSlowDestinationBlocksTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSink()
		f.block = make(chan struct{})
		s := NewSession(f, defaults(), &honest{f: f}, nil, t.Logf)
		in := s.Input(t.Context())
		schema := keyless("a")
		in.Schema(t.Context(), schema)
		written := 0
		go func() {
			for range 100 {
				in.Write(context.Background(), ids(schema, 1))
				written++
			}
		}()
		synctest.Wait()
		if written > depth+1 {
			t.Errorf("%d batches were taken by a destination that takes none", written)
		}
		close(f.block)
		synctest.Wait()
		if err := in.End(); err != nil || f.count("a") != 100 {
			t.Errorf("%d rows, %v", f.count("a"), err)
		}
		s.Close()
	})
}
