package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps"
	"elt/targets"
)

// runner runs a scripted tap into a fake sink.
type runner func(t *testing.T, ctx context.Context, f *fakeSink, settings string, tap scripted) (*honestMarks, error)

// bothWays is a test of a fused pair and of two processes.
func bothWays(t *testing.T, name string, test func(t *testing.T, run runner)) {
	t.Run(name+"/fused", func(t *testing.T) { test(t, fuse) })
	t.Run(name+"/two processes", func(t *testing.T) { test(t, pair) })
}

// pair runs tap and target as two processes would be, joined by a pipe.
func pair(t *testing.T, ctx context.Context, f *fakeSink, settings string, tap scripted) (*honestMarks, error) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	start := json.RawMessage(`{"bookmarks":{"z":7}}`)
	state := file("state.json", start)
	claim := file("claim.json", ClaimRequest{StateID: "dev:x", Bookmarks: start})
	config := file("config.json", json.RawMessage(settings))
	tapConfig := file("tap.json", map[string]int{"parallelism": 2})
	from, to := io.Pipe()
	tapped := make(chan error, 1)
	go func() {
		err := taps.Serve(ctx, tap, []string{"--config", tapConfig, "--state", state}, taps.IO{Out: to, Err: io.Discard},
			[]string{singer.PeerEnv + "=elt", fmt.Sprintf("%s=%d", singer.LanesEnv, min(2, f.lanes))})
		if err == nil {
			_, err = io.WriteString(to, singer.EndLine+"\n")
		}
		to.Close()
		tapped <- err
	}()
	out := &honestMarks{honest{f: f}}
	err := Serve(ctx, fakeTarget{f}, []string{"--config", config}, IO{In: from, Out: afterClaim{out}, Err: io.Discard},
		[]string{EnvEnd + "=1", EnvClaim + "=" + claim, singer.PeerEnv + "=elt"})
	from.Close()
	err = errors.Join(<-tapped, err)
	if len(out.lies) > 0 {
		t.Error(out.lies)
	}
	if f.openLanes != 0 || !f.aborted {
		t.Errorf("%d lanes open, released %v", f.openLanes, f.aborted)
	}
	return out, err
}

// afterClaim is stdout without the claim's reply.
type afterClaim struct{ io.Writer }

func (w afterClaim) Write(line []byte) (int, error) {
	if strings.Contains(string(line), TypeClaim) {
		return len(line), nil
	}
	return w.Writer.Write(line)
}

const (
	movedA    = `{"type":"STATE","value":{"bookmarks":{"a":1}},"x-elt-moved":{"stream":"a","exact":true,"rows":1}}`
	streamEnd = `{"type":"ELT_STREAM_END","stream":"a","complete":true}`
)

func TestPeerEndings(t *testing.T) {
	environ := []string{EnvEnd + "=1", singer.PeerEnv + "=elt"}
	version := `{"type":"ACTIVATE_VERSION","stream":"a","version":7}`
	cases := []struct {
		name      string
		lines     []string
		out       string
		rows      int64
		published bool
		err       string
	}{
		{"complete", []string{schemaA, rowA, movedA, version, streamEnd, endLine}, `{"bookmarks":{"a":1}}`, 1, true, ""},
		{"a stream that ended counts, even if the tap died", []string{schemaA, rowA, movedA, version, streamEnd}, `{"bookmarks":{"a":1}}`, 1, true, "the tap did not finish"},
		{"no stream end", []string{schemaA, rowA, movedA, version, rowA}, `{"bookmarks":{"a":1}}`, 2, false, "the tap did not finish"},
		{"twice in one run", []string{schemaA, rowA, streamEnd, schemaA, rowA, movedA, version, streamEnd, endLine}, `{"bookmarks":{"a":1}}`, 2, true, ""},
		{"more streams than lanes", []string{schemaA, strings.Replace(schemaA, `"a"`, `"b"`, 1)}, "", 0, false, singer.LanesEnv},
		{"a STATE of somebody else", []string{schemaA, stateA}, "", 0, false, "none of elt's own"},
		{"a STATE of no stream", []string{movedA}, "", 0, false, "line 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeSink()
			out, _, err := serving(t, f, `{}`, environ, c.lines...)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(fault.Render(err), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if out != c.out || f.count("a") != c.rows || f.published["a"] != c.published || (f.activated["a"] == 7) != c.published {
				t.Errorf("printed %q, %d rows, published %v, activated %v", out, f.count("a"), f.published, f.activated)
			}
			if !f.aborted || f.openLanes != 0 {
				t.Error("the destination was not released")
			}
		})
	}
}

// A stream that the target cannot load is dropped, the next one is not.
func TestTheTargetFailsOneStreamOfAPeer(t *testing.T) {
	bothWays(t, "second call", func(t *testing.T, run runner) {
		f := newFakeSink()
		f.failStream = "a"
		out, err := run(t, t.Context(), f, `{}`, scripted{streams: ab(keyed("a"), keyed("b")), scripts: []string{"a: a2 P a E", "b: b3 P E"}})
		if !errors.Is(err, errInjected) && (err == nil || !strings.Contains(err.Error(), errInjected.Error())) {
			t.Errorf("error %v", err)
		}
		if f.count("a") != 0 || f.count("b") != 3 || !f.published["b"] || f.finished || !strings.Contains(out.all(), `"b":3`) {
			t.Errorf("%d of a, %d of b, published %v, printed %s", f.count("a"), f.count("b"), f.published, out.all())
		}
	})
}

// A target that overwrites gives the tap no bookmark, and loses none that it keeps.
func TestOverwritingStartsFromScratch(t *testing.T) {
	kept := `{"bookmarks":{"a":5}}`
	for name, req := range map[string]ClaimRequest{
		"equal edits":    {StateID: "x", Bookmarks: json.RawMessage(kept), HadDestination: true},
		"a user's edit":  {StateID: "x", Bookmarks: json.RawMessage(kept), Edit: 9},
		"lost the store": {StateID: "x"},
	} {
		f := newFakeSink()
		f.method[""] = targets.Overwrite
		f.fence.Found, f.fence.Edit, f.fence.Bookmarks = true, 3, marks(kept)
		s := NewSession(f, defaults(), io.Discard, nil, t.Logf)
		d, err := s.Claim(t.Context(), req)
		s.Close()
		if err != nil || !d.Bookmarks.IsZero() || d.Source != FromNone || !strings.Contains(d.Note, "from its beginning") {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if string(f.fence.Bookmarks.Raw()) != kept {
			t.Errorf("%s: the destination keeps %s", name, f.fence.Bookmarks.Raw())
		}
	}
	f := newFakeSink()
	f.method[""] = targets.Overwrite
	s := NewSession(f, defaults(), io.Discard, nil, t.Logf)
	defer s.Close()
	d, err := s.Claim(t.Context(), ClaimRequest{StateID: "x", Bookmarks: json.RawMessage(kept), HadDestination: true})
	if err != nil || !d.Bookmarks.IsZero() || !f.fence.Bookmarks.IsZero() {
		t.Errorf("a destination that lost its row: %+v, %v, kept %s", d, err, f.fence.Bookmarks.Raw())
	}
}
