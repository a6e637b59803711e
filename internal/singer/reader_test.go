package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"elt/internal/row"
)

// tape is a Handler that writes down what it is told, as text: schemas as
// "name kind", rows as their fields in canonical text.
type tape struct {
	lines   []string
	batches bool // write down where batches begin
	ticks   int
	fail    error
}

func (p *tape) add(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *tape) Schema(_ context.Context, s *row.Schema) error {
	var cols []string
	for _, c := range s.Columns {
		cols = append(cols, describeColumn(c))
	}
	p.add("schema %s(%s) key %s", s.Stream, strings.Join(cols, ", "), strings.Join(s.Key, ","))
	return p.fail
}

func describeColumn(c row.Column) string {
	text := c.Name + " " + c.Kind.String()
	if c.Wire != c.Kind.DefaultWire() {
		text += fmt.Sprintf("/%d", c.Wire)
	}
	if c.Precision > 0 {
		text += fmt.Sprintf("(%d,%d)", c.Precision, c.Scale)
	}
	if c.Mixed {
		text += " mixed"
	}
	if !c.Nullable {
		text += " not null"
	}
	return text
}

func (p *tape) Write(_ context.Context, b *row.Batch) error {
	defer b.Release()
	if p.batches {
		p.add("batch v%d", b.Version)
	}
	for i := range b.Len() {
		p.add("%s", rowText(b, i))
	}
	return p.fail
}

func rowText(b *row.Batch, i int) string {
	var out []string
	fields := b.Fields(i)
	for n := range b.Schema.Columns {
		field, state := fields.Next()
		switch state {
		case row.IsNull:
			out = append(out, "NULL")
		case row.IsUnset:
			out = append(out, "-")
		default:
			out = append(out, string(row.AppendText(nil, &b.Schema.Columns[n], field)))
		}
	}
	text := strings.Join(out, "|")
	if op := b.Op(i); op != row.Insert {
		text += map[row.Op]string{row.Update: " update", row.Delete: " delete"}[op]
	}
	if b.Extracted != nil {
		text += " at " + string(row.AppendTimestampText(nil, b.Extracted[i], true))
	}
	return b.Schema.Stream + ": " + text
}

func (p *tape) State(_ context.Context, value json.RawMessage) error {
	p.add("state %s", value)
	return p.fail
}

func (p *tape) Activate(_ context.Context, stream string, version int64) error {
	p.add("activate %s %d", stream, version)
	return p.fail
}

func (p *tape) Tick(context.Context) error {
	p.ticks++
	return nil
}

// read runs a Reader over input and returns what its handler was told,
// warnings included, and how it ended.
func read(t testing.TB, o ReaderOptions, input io.Reader) ([]string, End, error) {
	t.Helper()
	p := &tape{}
	if o.Warn == nil {
		o.Warn = func(text string) { p.add("warning: %s", text) }
	}
	end, err := NewReader(input, o).Run(context.Background(), p)
	return p.lines, end, err
}

func readLines(t testing.TB, o ReaderOptions, lines ...string) []string {
	t.Helper()
	got, _, err := read(t, o, strings.NewReader(strings.Join(lines, "\n")+"\n"))
	if err != nil {
		got = append(got, "error: "+err.Error())
	}
	return got
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n  %s\nwant\n  %s", strings.ReplaceAll(g, "\n", "\n  "), strings.ReplaceAll(w, "\n", "\n  "))
	}
}

func TestReaderHandsOverInOrder(t *testing.T) {
	got, end, err := read(t, ReaderOptions{}, strings.NewReader(`{"type": "SCHEMA", "stream": "a", "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "x": {"type": ["null", "string"]}}}, "key_properties": ["id"], "bookmark_properties": ["x"]}
{"type": "RECORD", "stream": "a", "record": {"id": 1, "x": "one"}, "time_extracted": "2024-01-02T03:04:05Z"}
{"type": "RECORD", "stream": "a", "record": {"id": 2, "x": null}, "time_extracted": "2024-01-02T03:04:05Z"}

{"type": "state", "value": {"bookmarks": {"a": 2}}}
{"stream": "b", "type": "schema", "schema": {"properties": {"n": {"type": "number"}}}}
{"record": {"n": 1.50}, "stream": "b", "type": "RECORD"}
{"type": "RECORD", "stream": "a", "record": {"x": "three", "id": 3}, "version": 7}
{"type": "ACTIVATE_VERSION", "stream": "a", "version": 7}
{"type": "STATE", "value": {"bookmarks": {"a": 3}}}
{"type":"ELT_END"}
`))
	if err != nil || !end.Said || end.Lines != 11 {
		t.Errorf("end %+v, %v", end, err)
	}
	same(t, got,
		"schema a(id int64 not null, x text) key id",
		"a: 1|one at 2024-01-02T03:04:05+00:00",
		"a: 2|NULL at 2024-01-02T03:04:05+00:00",
		`state {"bookmarks": {"a": 2}}`,
		"schema b(n numeric) key ",
		"a: 3|three",
		"activate a 7",
		"b: 1.50",
		`state {"bookmarks": {"a": 3}}`)
	_ = bytes.MinRead
}
