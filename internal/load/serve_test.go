package load

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/spec"
)

const (
	schemaA = `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"}}},"key_properties":["id"]}`
	rowA    = `{"type":"RECORD","stream":"a","record":{"id":1}}`
	stateA  = `{"type":"STATE","value":{"a":1}}`
	endLine = `{"type":"ELT_END"}`
)

// serving runs Serve on lines.
func serving(t *testing.T, f *fakeSink, config string, environ []string, lines ...string) (stdout, stderr string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	err = Serve(t.Context(), fakeTarget{f}, []string{"--config", path},
		IO{In: strings.NewReader(strings.Join(lines, "\n") + "\n"), Out: &out, Err: &talk}, environ)
	return strings.TrimSpace(out.String()), talk.String(), err
}

func TestServeEndings(t *testing.T) {
	ours := []string{EnvEnd + "=1"}
	version := `{"type":"ACTIVATE_VERSION","stream":"a","version":7}`
	cases := []struct {
		name      string
		environ   []string
		lines     []string
		out       string
		rows      int64
		published bool
		err       string
	}{
		{"a foreign runner", nil, []string{schemaA, rowA, stateA, version}, `{"a":1}`, 1, true, ""},
		{"our runner, complete", ours, []string{schemaA, rowA, stateA, version, endLine}, `{"a":1}`, 1, true, ""},
		{"our runner, broken", ours, []string{schemaA, rowA, stateA, version}, "", 0, false, "the tap did not finish"},
		{"a malformed line", nil, []string{schemaA, rowA, stateA, "oops"}, "", 0, false, "line 4"},
		{"a record before its schema", nil, []string{rowA}, "", 0, false, `line 1, stream "a"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeSink()
			out, _, err := serving(t, f, `{}`, c.environ, c.lines...)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if out != c.out || f.count("a") != c.rows || f.published["a"] != c.published || (f.activated["a"] == 7) != (c.err == "" && c.published) {
				t.Errorf("printed %q, %d rows, published %v, activated %v", out, f.count("a"), f.published, f.activated)
			}
			if !f.aborted || f.openLanes != 0 {
				t.Error("the destination was not released")
			}
		})
	}
}

func TestServeClaims(t *testing.T) {
	request := filepath.Join(t.TempDir(), "claim.json")
	raw, _ := json.Marshal(ClaimRequest{StateID: "dev:x", Epoch: 3, Windowed: true, Whole: true})
	os.WriteFile(request, raw, 0o600)
	f := newFakeSink()
	out, _, err := serving(t, f, `{}`, []string{EnvClaim + "=" + request}, schemaA, rowA, `{"type":"ACTIVATE_VERSION","stream":"a","version":7}`, stateA)
	want := `{"type":"ELT_CLAIM","state_id":"dev:x","epoch":4,"edit":0,"bookmarks":null,"source":"none","kept":true,"lanes":1}` + "\n" + `{"a":1}`
	if err != nil || out != want || len(f.activated) > 0 {
		t.Errorf("printed %s (%v), want %s", out, err, want)
	}
	last := f.commits[len(f.commits)-1]
	if string(last.Whole) != `{"a":1}` {
		t.Errorf("the commit carries %s", last.Whole)
	}

	raw, _ = json.Marshal(ClaimRequest{StateID: "dev:x", HadDestination: true, Bookmarks: json.RawMessage(`{"bookmarks":{"a":{"id":7}}}`)})
	os.WriteFile(request, raw, 0o600)
	out, _, err = serving(t, newFakeSink(), `{}`, []string{EnvClaim + "=" + request}, schemaA)
	if err == nil || out != "" || !strings.Contains(fault.Render(err), "--trust-state") {
		t.Errorf("a destination that lost its row: printed %q, error %v", out, err)
	}
}

func TestServeQuarantine(t *testing.T) {
	f := newFakeSink()
	bad := `{"type":"RECORD","stream":"a","record":{"id":null}}`
	if _, _, err := serving(t, f, `{}`, nil, schemaA, bad, rowA); fault.CodeOf(err) != fault.BadInput {
		t.Errorf("a null key gave %v", err)
	}
	_, _, err := serving(t, f, `{"on_bad_record":"quarantine"}`, nil, schemaA, bad, rowA)
	if err != nil || f.count("a") != 1 || len(f.rejects) != 1 || !strings.Contains(f.rejects[0], bad) {
		t.Errorf("rejects %q, %v", f.rejects, err)
	}
}

func TestServeStopsOnSignal(t *testing.T) {
	f := newFakeSink()
	ctx, cancel := context.WithCancelCause(t.Context())
	in, feed := io.Pipe()
	defer feed.Close()
	go func() {
		io.WriteString(feed, strings.Join([]string{schemaA, rowA, stateA, ""}, "\n"))
		io.WriteString(feed, "\n") // read: so the lines before were taken
		cancel(context.Canceled)
	}()
	var out bytes.Buffer
	err := Serve(ctx, fakeTarget{f}, nil, IO{In: in, Out: &out, Err: io.Discard}, nil)
	if fault.CodeOf(err) != fault.Terminated || f.published["a"] || f.finished {
		t.Errorf("error %v, published %v", err, f.published)
	}
	if got := out.String(); got != "" && (got != "{\"a\":1}\n" || f.count("a") != 1) {
		t.Errorf("printed %q with %d rows committed", got, f.count("a"))
	}
}

func TestServeReportsToThePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	r, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := serving(t, newFakeSink(), `{}`, []string{EnvEvents + "=" + path}, schemaA, rowA, `{"type":"STATE","value":{"bookmarks":{"a":{"v":1}}}}`); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	var schema struct{ Type, Stream string }
	lines := json.NewDecoder(r)
	if err := lines.Decode(&schema); err != nil || schema.Type != "SCHEMA" || schema.Stream != "a" {
		t.Fatalf("%+v, %v", schema, err)
	}
	var s Stats
	if err := lines.Decode(&s); err != nil || s.Type != TypeStats || len(s.Streams) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if a := s.Streams[0]; a.Stream != "a" || a.Rows != 1 || a.Bytes == 0 || string(a.Bookmark) != `{"v":1}` {
		t.Errorf("%+v", a)
	}
}

func TestServeArguments(t *testing.T) {
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Serve(t.Context(), fakeTarget{newFakeSink()}, args, IO{In: strings.NewReader(""), Out: &out, Err: io.Discard}, nil)
		return out.String(), err
	}
	for args, want := range map[string]string{
		"--help": "Usage: target-fake", "--version": "target-fake, version", "--about": "batch_size_rows",
		"--about --format=json": `"name": "target-fake"`, "--about --format markdown": "# `target-fake`",
	} {
		if out, err := run(strings.Fields(args)...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
	for args, want := range map[string]string{
		"--confg x": "did you mean --config?", "--config": "--config needs a value", "--input /nowhere": "the input cannot be read",
	} {
		if _, err := run(strings.Fields(args)...); fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.Render(err), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	input := filepath.Join(t.TempDir(), "in.singer")
	os.WriteFile(input, []byte(stateA), 0o600)
	if out, err := run("--input", input); err != nil || out != "{\"a\":1}\n" {
		t.Errorf("--input printed %q, %v", out, err)
	}
}

func TestSharedSettingsAreChecked(t *testing.T) {
	for config, want := range map[string]string{
		`{"batch_size_rows":-1}`: `"batch_size_rows" is -1`,
		`{"keyless":"progres"}`:  `did you mean "progress"?`,
	} {
		_, _, err := serving(t, newFakeSink(), config, nil, schemaA)
		if fault.CodeOf(err) != fault.BadConfig || !strings.Contains(fault.Render(err), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
	if opt, err := ParseOptions(mustResolve(t, `{"batch_size":"50","parallelism_max":3}`)); err != nil || opt.BatchRows != 50 || opt.Parallelism != 3 {
		t.Errorf("%+v, %v", opt, err)
	}
	for config, want := range map[string]int{
		`{}`: 0, `{"flattening_enabled":true}`: deep, `{"flattening_enabled":true,"flattening_max_depth":2}`: 2,
		`{"flattening_enabled":false,"flattening_max_depth":2}`: 0, `{"data_flattening_max_level":3}`: 3,
	} {
		if o, err := ReaderOptions(mustResolve(t, config)); err != nil || o.Flatten.MaxLevel != want {
			t.Errorf("%s: depth %d, want %d (%v)", config, o.Flatten.MaxLevel, want, err)
		}
	}
}

func mustResolve(t *testing.T, config string) spec.Config {
	t.Helper()
	cfg, _, err := fakeTarget{}.Spec().Resolve(json.RawMessage(config))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
