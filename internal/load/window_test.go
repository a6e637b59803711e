package load

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// kept is what the destination holds after the commits so far.
func (f *fakeSink) kept(t *testing.T) singer.Bookmarks {
	t.Helper()
	b := f.fence.Bookmarks
	for _, c := range f.commits {
		if c.Whole != nil {
			b = singer.NewBookmarks(c.Whole)
		}
		var err error
		if b, err = b.With(c.Streams); err != nil {
			t.Fatal(err)
		}
	}
	f.commits = nil
	return b
}

// attempt runs a windowed claim and then load.
func attempt(t *testing.T, f *fakeSink, req ClaimRequest, load func(*Session) error) (said string, err error) {
	t.Helper()
	opt := defaults()
	opt.Windowed, opt.AllowAppend = true, true
	var out bytes.Buffer
	s := NewSession(f, opt, &out, nil, t.Logf)
	f.fence.Bookmarks = f.kept(t)
	req.StateID, req.Windowed = "dev:x:backfill:b:1", true
	if _, err := s.Claim(t.Context(), req); err != nil {
		return out.String(), err
	}
	err = load(s)
	s.Close()
	if strings.Contains(out.String(), completeKey) {
		t.Errorf("a mark is seen outside of the destination: %s", &out)
	}
	return out.String(), err
}

// A window's run was killed after the end of stream a was committed: when it
// is run again, a takes no row, and b goes on.
func TestCompleteStreamsOfAWindowTakeNoMoreRows(t *testing.T) {
	f := newFakeSink()
	tap := scripted{streams: map[string]*row.Schema{"a": keyless("a"), "b": keyless("b")}, scripts: []string{"a: a3 P E", "b: b2 !"}}
	load := func(s *Session) error {
		o := s.Output(s.start)
		err := tap.Sync(context.Background(), spec.Config{}, nil, s.start, o)
		o.Close(context.Background(), err == nil)
		return err
	}
	if _, err := attempt(t, f, ClaimRequest{}, load); err == nil {
		t.Fatal("stream b did not fail")
	}
	if f.count("a") != 3 || f.count("b") != 0 {
		t.Fatalf("%v", f.committed)
	}
	tap.scripts[1] = "b: b2 P E"
	for range 3 {
		if _, err := attempt(t, f, ClaimRequest{}, load); err != nil {
			t.Fatal(err)
		}
		if f.count("a") != 3 || f.count("b") != 2 {
			t.Fatalf("%v", f.committed)
		}
	}
	// Rows that merge by key are read again whole.
	if _, err := attempt(t, f, ClaimRequest{Whole: true}, load); err != nil || f.count("a") != 6 {
		t.Fatalf("%v, %v", f.committed, err)
	}
	if _, c, err := takeMarks(f.kept(t)); err != nil || c.all || len(c.streams) != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
}

// The same for messages of a third-party tap, whose STATE covers all streams.
func TestACompleteWindowOfAForeignTap(t *testing.T) {
	f := newFakeSink()
	load := func(end bool) func(*Session) error {
		return func(s *Session) error {
			in := s.Input(t.Context())
			for _, err := range []error{
				in.Schema(t.Context(), keyless("a")), in.Write(t.Context(), ids(keyless("a"), 3)),
				in.State(t.Context(), json.RawMessage(`{"bookmarks":{"a":{"n":3}}}`)),
			} {
				if err != nil {
					return err
				}
			}
			if !end {
				return in.Discard()
			}
			return in.End()
		}
	}
	for n, c := range []struct {
		end  bool
		rows int64
	}{{false, 0}, {true, 3}, {false, 3}, {true, 3}, {true, 3}} {
		said, err := attempt(t, f, ClaimRequest{}, load(c.end))
		if err != nil || f.count("a") != c.rows {
			t.Fatalf("attempt %d: %v, %v", n, f.committed, err)
		}
		if c.end && !strings.Contains(said, `{"bookmarks":{"a":{"n":3}}}`) {
			t.Errorf("attempt %d: the last STATE is not acknowledged: %s", n, said)
		}
	}
}

func TestWindowedRunsAppendOnlyWhenAllowed(t *testing.T) {
	opt := defaults()
	opt.Windowed = true
	in, _, _ := play(t, newFakeSink(), opt, "a", keyless("a"))
	if err := in.End(); err == nil || !strings.Contains(err.Error(), "stream a: its rows are appended") {
		t.Errorf("error %v", err)
	}
}
