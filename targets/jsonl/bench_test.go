package jsonl

import (
	"testing"

	"elt/internal/row"
	"elt/targets"
)

// lineitem is a batch of rows with the columns of TPC-H's biggest table.
func lineitem(n int) *row.Batch {
	col := func(name string, k row.Kind, w row.Wire) row.Column { return row.Column{Name: name, Kind: k, Wire: w} }
	s := &row.Schema{Stream: "lineitem", Columns: []row.Column{
		col("l_orderkey", row.Int64, row.WireInt8), col("l_partkey", row.Int64, row.WireInt4), col("l_suppkey", row.Int64, row.WireInt4), col("l_linenumber", row.Int64, row.WireInt4),
		col("l_quantity", row.Numeric, row.WireNumeric), col("l_extendedprice", row.Numeric, row.WireNumeric), col("l_discount", row.Numeric, row.WireNumeric), col("l_tax", row.Numeric, row.WireNumeric),
		col("l_returnflag", row.Text, row.WireText), col("l_linestatus", row.Text, row.WireText),
		col("l_shipdate", row.Date, row.WireDate), col("l_commitdate", row.Date, row.WireDate), col("l_receiptdate", row.Date, row.WireDate),
		col("l_shipinstruct", row.Text, row.WireText), col("l_shipmode", row.Text, row.WireText), col("l_comment", row.Text, row.WireText),
	}}
	b := &row.Batch{Schema: s}
	numeric := func(text string) {
		f, _ := row.AppendNumeric(nil, []byte(text))
		b.Field(f)
	}
	for i := range n {
		b.Begin()
		b.Int8(int64(i))
		b.Int4(155190)
		b.Int4(7706)
		b.Int4(1)
		numeric("17.00")
		numeric("21168.23")
		numeric("0.04")
		numeric("0.02")
		b.Str("N")
		b.Str("O")
		b.Int4(-1390)
		b.Int4(-1418)
		b.Int4(-1381)
		b.Str("DELIVER IN PERSON")
		b.Str("TRUCK")
		b.Str("egular courts above the")
		b.End()
	}
	return b
}

func BenchmarkWrite(b *testing.B) {
	cfg, _, err := New().Spec().Resolve([]byte(`{"destination_path":"` + b.TempDir() + `"}`))
	if err != nil {
		b.Fatal(err)
	}
	sink, err := New().Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Abort()
	lane, _ := sink.Lane(b.Context())
	defer lane.Close()
	batch := lineitem(1000)
	l, err := lane.Stream(b.Context(), batch.Schema)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(batch.Data)))
	for b.Loop() {
		if err := l.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
	if err := lane.Commit(b.Context(), targets.Commit{}); err != nil {
		b.Fatal(err)
	}
}
