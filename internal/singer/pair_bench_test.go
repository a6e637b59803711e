package singer

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"elt/internal/row"
)

// tpchLineitem is TPC-H's table as tap-postgres reads it.
var tpchLineitem = &row.Schema{Stream: "tpch-lineitem", Columns: []row.Column{
	{Name: "l_orderkey", Kind: row.Int64, Wire: row.WireInt8}, {Name: "l_partkey", Kind: row.Int64, Wire: row.WireInt8, Nullable: true},
	{Name: "l_suppkey", Kind: row.Int64, Wire: row.WireInt8, Nullable: true}, {Name: "l_linenumber", Kind: row.Int64, Wire: row.WireInt4, Nullable: true},
	{Name: "l_quantity", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 15, Scale: 2, Nullable: true},
	{Name: "l_extendedprice", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 15, Scale: 2, Nullable: true},
	{Name: "l_discount", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 15, Scale: 2, Nullable: true},
	{Name: "l_tax", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 15, Scale: 2, Nullable: true},
	{Name: "l_returnflag", Kind: row.Text, Wire: row.WireText, Nullable: true}, {Name: "l_linestatus", Kind: row.Text, Wire: row.WireText, Nullable: true},
	{Name: "l_shipdate", Kind: row.Date, Wire: row.WireDate, Nullable: true}, {Name: "l_commitdate", Kind: row.Date, Wire: row.WireDate, Nullable: true},
	{Name: "l_receiptdate", Kind: row.Date, Wire: row.WireDate, Nullable: true}, {Name: "l_shipinstruct", Kind: row.Text, Wire: row.WireText, Nullable: true},
	{Name: "l_shipmode", Kind: row.Text, Wire: row.WireText, Nullable: true}, {Name: "l_comment", Kind: row.Text, Wire: row.WireText, Nullable: true},
}}

// tpchRows are n rows of it.
func tpchRows(n int) *row.Batch {
	b := &row.Batch{}
	b.Reset(tpchLineitem)
	number := func(format string, args ...any) {
		b.Open()
		b.Data, _ = row.AppendNumeric(b.Data, fmt.Appendf(nil, format, args...))
		b.Close()
	}
	for i := range n {
		b.Begin()
		b.Int8(int64(i) * 7919 % 6000000)
		b.Int8(int64(i) * 7919 % 200000)
		b.Int8(int64(i) * 104729 % 10000)
		b.Int4(int32(i%7 + 1))
		number("%d.00", i%50+1)
		number("%d.%02d", 900+i*31%99999, i%100)
		number("0.%02d", i%11)
		number("0.%02d", i%9)
		b.Str("N")
		b.Str("O")
		for _, base := range []int{-2922, -2891, -2862} {
			b.Int4(int32(base + i%2500))
		}
		b.Str("DELIVER IN PERSON        ")
		b.Str("TRUCK     ")
		b.Str("egular courts above the quickly ironic deposits"[:20+i%24])
		b.End()
	}
	return b
}

// BenchmarkPair is what two of our own processes do: write rows as RECORD
// lines, and read them back.
func BenchmarkPair(b *testing.B) {
	rows := tpchRows(5000)
	announce, err := appendSchemaMessage(nil, tpchLineitem, Native, false)
	if err != nil {
		b.Fatal(err)
	}
	encode := func(dst []byte) []byte {
		e := NewEncoder(tpchLineitem, Native, false)
		for i := range rows.Len() {
			dst = e.AppendRecord(dst, rows, i)
		}
		return dst
	}
	lines := encode(bytes.Clone(announce))
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(lines)))
		buf := make([]byte, 0, len(lines))
		for b.Loop() {
			buf = encode(buf[:0])
		}
		b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*rows.Len()), "ns/row")
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(lines)))
		for b.Loop() {
			s := &sink{}
			if _, err := NewReader(bytes.NewReader(lines), ReaderOptions{}).Run(context.Background(), s); err != nil || s.rows != rows.Len() {
				b.Fatal(s.rows, err)
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*rows.Len()), "ns/row")
	})
}
