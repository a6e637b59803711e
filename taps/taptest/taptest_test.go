package taptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// counter sends two streams of numbers and goes on from the last.
type counter struct{}

func (counter) Spec() spec.Spec {
	return spec.Spec{Name: "tap-counter", Summary: "Counts.", Capabilities: []string{"catalog", "discover", "state"},
		Settings: append(taps.Settings(), spec.Setting{Name: "rows", Type: spec.Integer, Default: 3, Help: "How many.", Example: "5"})}
}

func shape(name string, columns ...string) *row.Schema {
	s := &row.Schema{Stream: name, Key: []string{"n"}, ReplicationKey: "n", Columns: []row.Column{{Name: "n", Kind: row.Int64, Wire: row.WireInt8}}}
	for _, c := range columns {
		if c != "n" {
			s.Columns = append(s.Columns, row.Column{Name: c, Kind: row.Text, Wire: row.WireText, Nullable: true})
		}
	}
	return s
}

func (counter) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	for _, name := range []string{"a", "b"} {
		s, err := singer.NewCatalogStream(shape(name, "word"))
		if err != nil {
			return nil, err
		}
		c.Streams = append(c.Streams, s)
	}
	return c, nil
}

func (tap counter) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, marks singer.Bookmarks, out taps.Output) error {
	var set struct{ Rows int }
	if err := cfg.Decode(&set); err != nil {
		return err
	}
	if catalog == nil {
		catalog, _ = tap.Discover(ctx, cfg)
	}
	var failed []error
	for _, s := range catalog.Selected() {
		failed = append(failed, tap.stream(ctx, s, set.Rows, marks, out))
	}
	return errors.Join(failed...)
}

func (counter) stream(ctx context.Context, cs *singer.CatalogStream, rows int, marks singer.Bookmarks, out taps.Output) error {
	var mark struct{ N int }
	_ = json.Unmarshal(marks.Stream(cs.ID()), &mark)
	schema := shape(cs.ID(), cs.SelectedProperties()...)
	s, err := out.Stream(ctx, schema)
	if err != nil {
		return err
	}
	defer s.Close()
	b := &row.Batch{}
	b.Reset(schema)
	for n := mark.N; n < rows; n++ {
		b.Begin()
		b.Int8(int64(n + 1))
		for range schema.Columns[1:] {
			b.Str("word")
		}
		b.End()
	}
	if err := s.Write(b); err != nil {
		return err
	}
	if err := s.Position(taps.Position{Stream: cs.ID(), Value: fmt.Appendf(nil, `{"n":%d}`, rows), Exact: true}); err != nil {
		return err
	}
	return s.End()
}

func TestSuite(t *testing.T) {
	Run(t, counter{}, map[string]any{"rows": 5}, Expect{Rows: map[string]int{"a": 5, "b": 5}, Resumed: map[string]int{"a": 0, "b": 0}})
}

// recorder is a testing.TB that keeps complaints.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Errorf(f string, args ...any) { r.said = append(r.said, fmt.Sprintf(f, args...)) }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); panic(r) }

// Each broken transcript must be noticed, and the sound one not.
func TestReadNotices(t *testing.T) {
	const schema = `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":["null","integer"]},"at":{"type":"string","format":"date-time"}}},"key_properties":["id"]}` + "\n"
	for _, c := range []struct{ out, want string }{
		{"", ""},
		{schema + `{"type":"RECORD","stream":"a","record":{"id":1,"at":"2024-01-01T00:00:00+00:00"}}` + "\n" + `{"type":"STATE","value":{}}` + "\n", ""},
		{`{"type":"RECORD","stream":"a","record":{}}`, "before its schema"},
		{schema + `{"type":"RECORD","stream":"a","record":{"id":null}}`, `key "id"`},
		{schema + `{"type":"RECORD","stream":"a","record":{"id":"x"}}`, "does not fit"},
		{schema + `{"type":"RECORD","stream":"a","record":{"id":1,"at":"2024-01-01 00:00"}}`, "does not fit"},
		{schema + `{"type":"RECORD","stream":"a","record":{"id":1,"other":1}}`, `"other" is not in the schema`},
		{`{"type":"SCHEMA","stream":"a","schema":{"properties":{}},"key_properties":["id"]}`, "no property"},
		{`{"type":"SCHEMA","stream":"a","schema":{"properties":{}}}`, "without key_properties"},
		{`{"type":"STATE","value":null}`, "no object"},
		{"hello\n", "no message"},
	} {
		r := &recorder{TB: t}
		func() {
			defer func() {
				if p := recover(); p != nil && p != r {
					panic(p)
				}
			}()
			read(r, []byte(c.out))
		}()
		said := strings.Join(r.said, "; ")
		if c.want == "" && said != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s\nsays %q, want %q", c.out, said, c.want)
		}
	}
}
