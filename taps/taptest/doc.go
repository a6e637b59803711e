// Package taptest is the suite that every built-in tap passes. A tap's own
// test calls Run with a configuration against a real source and says what is
// to come out; the suite does the rest: discovery, schemas, keys, selection,
// going on from a state, stopping.
package taptest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// Expect is what the suite cannot know.
type Expect struct {
	// Rows are the records of a full read, by stream. Streams that discovery
	// lists but Rows does not are expected to exist and not counted.
	Rows map[string]int
	// Resumed are the records of a second read from the final state; a stream
	// that is not listed must not send more than the first time, and nothing
	// that lies before its replication key's bookmark.
	Resumed map[string]int
	// SkipSelection says why columns cannot be deselected; "" tests it.
	SkipSelection string
}

// Run runs the suite.
func Run(t *testing.T, tap taps.Tap, cfg map[string]any, want Expect) {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{tap: tap, raw: raw, config: write(t, raw), want: want}
	t.Run("spec", s.spec)
	t.Run("discovery", s.discovery)
	t.Run("records", s.records)
	t.Run("resume", s.resume)
	t.Run("selection", s.selection)
	t.Run("test", s.test)
	t.Run("cancel", s.cancel)
	t.Run("reader gone", s.readerGone)
}

type suite struct {
	tap    taps.Tap
	raw    json.RawMessage
	config string
	want   Expect
}

// serve runs the tap's command line; whatever it started must have ended with it.
func (s *suite) serve(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	var out, errs bytes.Buffer
	err := taps.Serve(t.Context(), s.tap, append([]string{"--config", s.config}, args...), taps.IO{Out: &out, Err: &errs}, nil)
	if leak := goleak.Find(before); leak != nil {
		t.Errorf("%v: %v", args, leak)
	}
	if err != nil {
		t.Logf("%s", errs.Bytes())
	}
	return out.Bytes(), err
}

func (s *suite) mustServe(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := s.serve(t, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

func (s *suite) resolve(t *testing.T) spec.Config {
	t.Helper()
	cfg, unknown, err := s.tap.Spec().Resolve(s.raw)
	if err != nil || len(unknown) > 0 {
		t.Fatalf("the test's own configuration: %v, unknown %v", err, unknown)
	}
	return cfg
}

func (s *suite) catalog(t *testing.T) *singer.Catalog {
	t.Helper()
	c, err := singer.ParseCatalog(s.mustServe(t, "--discover"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// spec: every setting explains itself, and nothing is there twice.
func (s *suite) spec(t *testing.T) {
	sp := s.tap.Spec()
	if sp.Name == "" || sp.Summary == "" || len(sp.Capabilities) == 0 {
		t.Errorf("name %q, summary %q, capabilities %v", sp.Name, sp.Summary, sp.Capabilities)
	}
	seen := map[string]bool{}
	for _, set := range sp.Settings {
		for _, name := range append([]string{set.Name}, set.Aliases...) {
			if seen[name] {
				t.Errorf("setting %q is there twice", name)
			}
			seen[name] = true
		}
		if set.Type == "" || set.Help == "" || set.Example == "" {
			t.Errorf("setting %q lacks its type, help or example: %+v", set.Name, set)
		}
	}
	if _, err := sp.About("json", "0"); err != nil {
		t.Error(err)
	}
	s.resolve(t)
	if _, err := s.serve(t, "--about"); err != nil {
		t.Error(err)
	}
}

// discovery: what is printed reads back the same, and every stream can be selected.
func (s *suite) discovery(t *testing.T) {
	first := s.mustServe(t, "--discover")
	c, err := singer.ParseCatalog(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Print()
	if err != nil || !singer.EqualJSON(first, again) {
		t.Errorf("the catalog does not survive reading and printing: %v\n%s\n%s", err, first, again)
	}
	if len(c.Streams) == 0 {
		t.Error("nothing was discovered")
	}
	seen := map[string]bool{}
	for _, st := range c.Streams {
		if st.TapStreamID == "" || st.Stream == "" || seen[st.TapStreamID] {
			t.Errorf("stream %q (%q) has no name or is there twice", st.TapStreamID, st.Stream)
		}
		seen[st.TapStreamID] = true
		properties := st.Properties()
		if len(properties) == 0 {
			t.Errorf("stream %q has no properties", st.TapStreamID)
		}
		if st.Meta() == nil {
			t.Errorf("stream %q has no metadata", st.TapStreamID)
		}
		for _, p := range properties {
			if st.Meta(p)["inclusion"] == nil {
				t.Errorf("stream %q: property %q has no inclusion", st.TapStreamID, p)
			}
		}
		for _, k := range st.Keys() {
			if st.Property(k) == nil {
				t.Errorf("stream %q: key %q is no property", st.TapStreamID, k)
			}
		}
		compile(t, st.TapStreamID, st.Schema)
	}
	for stream := range s.want.Rows {
		if c.Stream(stream) == nil {
			t.Errorf("stream %q was not discovered", stream)
		}
	}
}
