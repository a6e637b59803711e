package taps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// counter is a tap of two streams of numbers; it goes on from {"n": last}.
type counter struct {
	fail   string                   // a stream that fails after its rows
	during func(context.CancelFunc) // called after the first batch
	cancel context.CancelFunc
}

func (counter) Spec() spec.Spec {
	return spec.Spec{Name: "tap-counter", Summary: "Counts.", Capabilities: []string{"catalog", "discover", "state"},
		Settings: append(Settings(), spec.Setting{Name: "rows", Type: spec.Integer, Default: 3, Help: "How many.", Example: "5"},
			spec.Setting{Name: "token", Type: spec.String, Secret: true, Help: "Secret.", Example: "x"})}
}

func (c counter) schema(name string) *row.Schema {
	return &row.Schema{Stream: name, Key: []string{"n"}, Columns: []row.Column{{Name: "n", Kind: row.Int64, Wire: row.WireInt8}}}
}

func (c counter) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	catalog := &singer.Catalog{}
	for _, name := range []string{"a", "b"} {
		s, err := singer.NewCatalogStream(c.schema(name))
		if err != nil {
			return nil, err
		}
		catalog.Streams = append(catalog.Streams, s)
	}
	return catalog, nil
}

func (c counter) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, marks singer.Bookmarks, out Output) error {
	var set struct{ Rows int }
	if err := cfg.Decode(&set); err != nil {
		return err
	}
	if catalog == nil {
		catalog, _ = c.Discover(ctx, cfg)
	}
	var failed []error
	for _, s := range catalog.Selected() {
		if err := c.stream(ctx, s.ID(), set.Rows, marks, out); err != nil {
			failed = append(failed, fmt.Errorf("stream %q: %w", s.ID(), err))
		}
	}
	return errors.Join(failed...)
}

func (c counter) stream(ctx context.Context, name string, rows int, marks singer.Bookmarks, out Output) error {
	var mark struct{ N int }
	_ = json.Unmarshal(marks.Stream(name), &mark)
	s, err := out.Stream(ctx, c.schema(name))
	if err != nil {
		return err
	}
	defer s.Close()
	b := &row.Batch{}
	b.Reset(c.schema(name))
	for n := mark.N; n < rows; n++ {
		b.Begin()
		b.Int8(int64(n + 1))
		b.End()
	}
	if err := s.Write(b); err != nil {
		return err
	}
	if err := s.Position(Position{Stream: name, Value: fmt.Appendf(nil, `{"n":%d}`, rows), Exact: true}); err != nil {
		return err
	}
	if c.during != nil {
		c.during(c.cancel)
	}
	if c.fail == name {
		return errors.New("it broke")
	}
	return s.End()
}

func serve(t *testing.T, tap Tap, environ []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = Serve(t.Context(), tap, args, IO{Out: &out, Err: &errs}, environ)
	return out.String(), errs.String(), err
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// brief is the types and streams of messages, and n of records.
func brief(t *testing.T, out string) string {
	t.Helper()
	var parts []string
	for line := range strings.Lines(out) {
		var m struct {
			Type, Stream string
			Record       struct{ N int }
			Value        json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch m.Type {
		case "RECORD":
			parts = append(parts, fmt.Sprintf("%s%d", m.Stream, m.Record.N))
		case "STATE":
			parts = append(parts, string(m.Value))
		default:
			parts = append(parts, m.Type+":"+m.Stream)
		}
	}
	return strings.Join(parts, " ")
}

func TestServeSyncs(t *testing.T) {
	out, errs, err := serve(t, counter{}, nil, "-c", file(t, `{"rows":2,"token":"hunter2","odd":"hunter2"}`), "-s", file(t, `{"bookmarks":{"a":{"n":1}},"x":1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `SCHEMA:a a2 {"bookmarks":{"a":{"n":2}},"x":1.0} SCHEMA:b b1 b2 {"bookmarks":{"a":{"n":2},"b":{"n":2}},"x":1.0}`
	if got := brief(t, out); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, line := range []string{
		"WARNING tap-counter does not know these settings and ignores them: odd\n",
		`INFO METRIC: {"type":"counter","metric":"record_count","value":1,"tags":{"stream":"a"}}`,
		`INFO METRIC: {"type":"counter","metric":"record_count","value":2,"tags":{"stream":"b"}}`,
	} {
		if !strings.Contains(errs, line) {
			t.Errorf("no %q in\n%s", line, errs)
		}
	}
}

func TestServeTakesTheCatalog(t *testing.T) {
	out, _, err := serve(t, counter{}, nil, "--config="+file(t, `{}`), "--discover")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := singer.ParseCatalog([]byte(out))
	if err != nil || len(catalog.Streams) != 2 {
		t.Fatalf("%v %s", err, out)
	}
	catalog.Stream("a").SetMeta("selected", false)
	changed, _ := catalog.Print()
	for _, flag := range []string{"--catalog", "--properties", "-p"} {
		out, _, err := serve(t, counter{}, nil, flag, file(t, string(changed)))
		if got := brief(t, out); err != nil || !strings.HasPrefix(got, "SCHEMA:b b1 b2 b3") {
			t.Errorf("%s: %s, %v", flag, got, err)
		}
	}
	catalog.Stream("b").SetMeta("selected", false)
	changed, _ = catalog.Print()
	if out, errs, err := serve(t, counter{}, nil, "--catalog", file(t, string(changed))); err != nil || out != "" || !strings.Contains(errs, "no stream") {
		t.Errorf("%q %q %v", out, errs, err)
	}
}

func TestServeFromTheEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	out, _, err := serve(t, counter{}, []string{"TAP_COUNTER_ROWS=1"}, "--config", file(t, `{"rows":9}`), "--config", "ENV")
	if got := brief(t, out); err != nil || !strings.HasPrefix(got, "SCHEMA:a a1 {") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestServeTest(t *testing.T) {
	for flag, want := range map[string]string{"--test": "SCHEMA:a a1 SCHEMA:b b1", "--test=schema": "SCHEMA:a SCHEMA:b"} {
		out, _, err := serve(t, counter{}, nil, flag)
		if got := brief(t, out); err != nil || got != want {
			t.Errorf("%s: %s, %v", flag, got, err)
		}
	}
	if err := tested(errors.Join(fmt.Errorf("a: %w", errEnough), fmt.Errorf("b: %w", errors.Join(errEnough, errors.New("real"))))); err == nil || !strings.Contains(err.Error(), "real") {
		t.Errorf("a real failure beside enough records: %v", err)
	}
}

func TestServeSaysWhatItIs(t *testing.T) {
	for flag, want := range map[string]string{"--help": "--config FILE", "--version": "tap-counter, version ", "--about": "tap-counter", "--about --format json": `"name": "tap-counter"`, "--about --format=markdown": "# `tap-counter`"} {
		out, _, err := serve(t, counter{}, nil, strings.Fields(flag)...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

func TestServeErrors(t *testing.T) {
	for _, c := range []struct {
		args string
		code fault.Code
		want string
	}{
		{"--confg x", fault.Usage, "--config"},
		{"--config", fault.Usage, "needs a value"},
		{"--test=x", fault.Usage, "--test=x"},
		{"--about --format yaml", fault.Usage, "yaml"},
		{"-c nosuch.json", fault.BadConfig, "nosuch.json"},
		{"-c " + file(t, `{"rows":"x"}`), fault.BadConfig, `"rows"`},
		{"--catalog nosuch.json", fault.Usage, "nosuch.json"},
		{"--catalog " + file(t, `{}`), fault.BadInput, "streams"},
		{"--state " + file(t, `[1]`), fault.BadInput, "state"},
	} {
		_, _, err := serve(t, counter{}, nil, strings.Fields(c.args)...)
		if err == nil || fault.CodeOf(err) != c.code || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%s: code %d, %v", c.args, fault.CodeOf(err), err)
		}
	}
}

func TestServeKeepsWhatOtherStreamsDid(t *testing.T) {
	out, _, err := serve(t, counter{fail: "a"}, nil)
	if err == nil || !strings.Contains(err.Error(), `stream "a": it broke`) {
		t.Error(err)
	}
	if got := brief(t, out); !strings.HasSuffix(got, `{"bookmarks":{"a":{"n":3},"b":{"n":3}}}`) {
		t.Error(got)
	}
}

func TestServeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tap := counter{cancel: cancel, during: func(c context.CancelFunc) { c() }}
	var out, errs bytes.Buffer
	err := Serve(ctx, tap, nil, IO{Out: &out, Err: &errs}, nil)
	if fault.CodeOf(err) != fault.Terminated {
		t.Errorf("code %d, %v", fault.CodeOf(err), err)
	}
	if got := brief(t, out.String()); got != `SCHEMA:a a1 a2 a3 {"bookmarks":{"a":{"n":3}}}` {
		t.Error(got)
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}

func TestServeStopsQuietlyWhenNobodyReads(t *testing.T) {
	var errs bytes.Buffer
	err := Serve(t.Context(), counter{}, nil, IO{Out: gone{}, Err: &errs}, nil)
	if !errors.Is(err, singer.ErrReaderGone) || errs.Len() > 0 {
		t.Errorf("%v, %s", err, errs.String())
	}
}

func TestServeTellsAPeerMore(t *testing.T) {
	out, _, err := serve(t, counter{}, []string{singer.PeerEnv + "=elt"})
	if err != nil || !strings.Contains(out, `"x-elt-moved":{"stream":"a","exact":true,"rows":0}`) {
		t.Errorf("%v %s", err, out)
	}
}
