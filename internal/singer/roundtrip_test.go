package singer

import (
	"bytes"
	"context"
	"testing"

	"elt/internal/row"
)

// keepBatches is a Handler that copies what it is given.
type keepBatches struct {
	sink
	schema *row.Schema
	data   []byte
	ops    []row.Op
}

func (k *keepBatches) Schema(_ context.Context, s *row.Schema) error {
	k.schema = s
	return nil
}

func (k *keepBatches) Write(_ context.Context, b *row.Batch) error {
	k.data = append(k.data, b.Data...)
	for i := range b.Len() {
		k.ops = append(k.ops, b.Op(i))
	}
	b.Release()
	return nil
}

// What one of our taps writes, one of our targets reads back as the same
// bytes in the same columns, so that two processes deliver what one does.
func TestRowsOfOurOwnWriterComeBackByteForByte(t *testing.T) {
	columns := append([]row.Column(nil), allKinds...)
	columns = append(columns, row.Column{Name: "mixed", Kind: row.JSON, Wire: row.WireJSON, Mixed: true})
	s := schemaOf(columns...)
	s.Columns[0].Nullable = false
	b := &row.Batch{}
	b.Reset(s)
	nulls, unset := make([]string, len(columns)), make([]string, len(columns))
	for i := range columns {
		unset[i] = "-"
	}
	nulls[0], unset[0] = "false", "true"
	odd := []string{"false", "0", "-1", "9223372036854775807", "NaN", "-Infinity", "NaN", "\u2028\x7f", "\x00", "infinity", "24:00:00", "-infinity",
		"infinity", "10000-01-01T00:00:00Z", "0044-03-15T00:00:00 BC", "ffffffff-ffff-ffff-ffff-ffffffffffff", `{"a": "\u00e9\u0000",` + "\n" + ` "a":1}`, "[null]", "null"}
	addRow(t, b, row.Insert, append(append([]string(nil), allCells...), "1")...)
	addRow(t, b, row.Insert, nulls...)
	addRow(t, b, row.Insert, odd...)
	addRow(t, b, row.Update, unset...)
	out, err := appendSchemaMessage(nil, s, Native, false)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEncoder(s, Native, false)
	for i := range b.Len() {
		out = e.AppendRecord(out, b, i)
	}
	k := &keepBatches{}
	if _, err := NewReader(bytes.NewReader(out), ReaderOptions{NUL: NULKeep, Warn: func(text string) { t.Error(text) }}).Run(context.Background(), k); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !k.schema.Same(s) {
		t.Errorf("schema\ngot  %+v\nwant %+v", k.schema.Columns, s.Columns)
	}
	want := b.Data
	if !bytes.Equal(k.data, want) {
		got := &row.Batch{Schema: s, Data: k.data, Offsets: b.Offsets}
		for i := range b.Len() {
			if g, w := rowText(got, i), rowText(b, i); g != w {
				t.Errorf("row %d\ngot  %s\nwant %s", i, g, w)
			}
		}
		t.Errorf("bytes differ\n%s", out)
	}
	for i, op := range k.ops {
		if op != b.Op(i) {
			t.Errorf("row %d: operation %d, want %d", i, op, b.Op(i))
		}
	}
}
