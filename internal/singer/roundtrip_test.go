package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"elt/internal/row"
)

// received keeps what a Reader hands over.
type received struct {
	schema *row.Schema
	rows   [][]byte
	ops    []row.Op
	states []string
}

func (r *received) Schema(_ context.Context, s *row.Schema) error { r.schema = s; return nil }
func (r *received) Write(_ context.Context, b *row.Batch) error {
	for i := range b.Len() {
		r.rows, r.ops = append(r.rows, bytes.Clone(b.Row(i))), append(r.ops, b.Op(i))
	}
	b.Release()
	return nil
}
func (r *received) State(_ context.Context, v json.RawMessage) error {
	r.states = append(r.states, string(v))
	return nil
}
func (r *received) Activate(context.Context, string, int64) error { return nil }
func (r *received) Tick(context.Context) error                    { return nil }

// A pair of processes delivers what a fused pair does: the same columns and,
// byte for byte, the same rows, of every kind, odd values included.
func TestWriterToReader(t *testing.T) {
	s := schemaOf(append([]row.Column(nil), allKinds...)...)
	s.Key = []string{"i4"}
	s.Columns[2].Nullable = false
	sent := &row.Batch{}
	sent.Reset(s)
	addRow(t, sent, row.Insert, allCells...)
	nulls := make([]string, len(allKinds))
	nulls[2] = "1"
	addRow(t, sent, row.Insert, nulls...)
	odd := append([]string(nil), nulls...)
	for name, cell := range map[string]string{"f4": "NaN", "f8": "-Infinity", "n": "NaN", "d": "infinity", "ts": "infinity", "tz": "0044-03-15T00:00:00+00:00 BC", "t": "NaN", "j": "\"x\""} {
		odd[s.Index(name)] = cell
	}
	addRow(t, sent, row.Insert, odd...)
	want := make([][]byte, sent.Len())
	for i := range want {
		want[i] = bytes.Clone(sent.Row(i))
	}

	var pipe bytes.Buffer
	w := NewWriter(&pipe, WriterOptions{Style: Native})
	stream, err := w.Stream(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{stream.Write(sent), stream.Position(Position{Value: json.RawMessage(`{"n":1.50}`)}), stream.End(), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := &received{}
	if _, err := NewReader(&pipe, ReaderOptions{}).Run(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	for i, c := range s.Columns {
		if got.schema.Columns[i] != c {
			t.Errorf("column %+v became %+v", c, got.schema.Columns[i])
		}
	}
	if len(got.rows) != len(want) {
		t.Fatalf("%d rows of %d", len(got.rows), len(want))
	}
	for n := range want {
		a, b := row.Batch{Schema: s, Data: want[n], Offsets: []int32{0}}, row.Batch{Schema: s, Data: got.rows[n], Offsets: []int32{0}}
		fa, fb := a.Fields(0), b.Fields(0)
		for i := range s.Columns {
			va, sa := fa.Next()
			vb, sb := fb.Next()
			if sa != sb || !bytes.Equal(va, vb) {
				t.Errorf("row %d, %s %s: sent %x (%d), received %x (%d)", n, s.Columns[i].Name, s.Columns[i].Kind, va, sa, vb, sb)
			}
		}
	}
	if len(got.states) != 1 || got.states[0] != `{"bookmarks":{"s \"1\"":{"n":1.50}}}` {
		t.Errorf("states %q", got.states)
	}
}

// What the source did not send stays unset, and a deletion a deletion.
func TestUpdatesAndDeletesCross(t *testing.T) {
	s := &row.Schema{Stream: "a", Key: []string{"id"}, Columns: []row.Column{
		{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "x", Kind: row.Text, Wire: row.WireText, Nullable: true}}}
	sent := &row.Batch{}
	sent.Reset(s)
	addRow(t, sent, row.Insert, "1", "")
	addRow(t, sent, row.Update, "2", "-")
	addRow(t, sent, row.Delete, "3", "-")
	var pipe bytes.Buffer
	w := NewWriter(&pipe, WriterOptions{Style: Native})
	stream, _ := w.Stream(t.Context(), s)
	for _, err := range []error{stream.Write(sent), stream.End(), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := &received{}
	if _, err := NewReader(&pipe, ReaderOptions{}).Run(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if len(got.ops) != 3 || got.ops[2] != row.Delete || got.schema.Index(DeletedAt) < 0 {
		t.Fatalf("operations %v", got.ops)
	}
	b := row.Batch{Schema: got.schema, Data: got.rows[1], Offsets: []int32{0}}
	f := b.Fields(0)
	f.Next()
	if _, state := f.Next(); state != row.IsUnset {
		t.Errorf("the unset field of an update arrives as %d", state)
	}
}
