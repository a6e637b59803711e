// Package sqltest makes rows for the tests of SQL targets. Test code only.
package sqltest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"elt/internal/row"
)

// Schema makes a schema from "name kind" words; key names the key columns.
func Schema(stream, key string, columns ...string) *row.Schema {
	s := &row.Schema{Stream: stream, Key: strings.Fields(key)}
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		k := row.KindByName(kind)
		s.Columns = append(s.Columns, row.Column{Name: name, Kind: k, Wire: k.DefaultWire(), Nullable: true})
	}
	return s
}

// Unset is a field that the source did not send.
type Unset struct{}

// Batch makes rows of text values, ints and nil; a row.Op first says what the row does.
func Batch(s *row.Schema, rows ...[]any) *row.Batch {
	b := row.NewPool(1 << 10).Get(s)
	for _, r := range rows {
		op := row.Insert
		if o, ok := r[0].(row.Op); ok {
			op, r = o, r[1:]
		}
		b.Begin()
		for i, v := range r {
			put(b, &s.Columns[i], v)
		}
		b.EndAs(op)
	}
	return b
}

func put(b *row.Batch, c *row.Column, v any) {
	switch x := v.(type) {
	case nil:
		b.Null()
	case Unset:
		b.SkipField()
	case int:
		if c.Wire == row.WireInt8 {
			b.Int8(int64(x))
			return
		}
		put(b, c, fmt.Sprint(x))
	case bool:
		b.Bool(x)
	case string:
		text := row.Column{Kind: row.Text, Wire: row.WireText}
		convert, ok := row.Converter(text, *c)
		if c.Wire == row.WireJSON {
			convert = nil
		}
		if !ok {
			panic("no " + c.Kind.String() + " from text")
		}
		b.Open()
		if convert == nil {
			b.Data = append(b.Data, x...)
		} else {
			var err error
			if b.Data, err = convert(b.Data, []byte(x)); err != nil {
				panic(err)
			}
		}
		b.Close()
	default:
		panic(fmt.Sprintf("%T", v))
	}
}

// Lineitem is rows of TPC-H's widest table: 16 columns, about 210 bytes a row.
func Lineitem(rows int, key string) *row.Batch {
	s := Schema("lineitem", key, "orderkey int64", "partkey int64", "suppkey int64", "linenumber int64", "quantity numeric", "extendedprice numeric", "discount numeric", "tax numeric",
		"returnflag text", "linestatus text", "shipdate date", "commitdate date", "receiptdate date", "shipinstruct text", "shipmode text", "comment text")
	for i := range s.Columns {
		if s.Columns[i].Kind == row.Numeric {
			s.Columns[i].Precision, s.Columns[i].Scale = 15, 2
		}
	}
	var lines [][]any
	for i := range rows {
		lines = append(lines, []any{i, i * 31 % 200000, i * 7 % 10000, i % 7, fmt.Sprint(i%50 + 1), fmt.Sprintf("%d.%02d", 900+i%99999, i%100), fmt.Sprintf("0.%02d", i%11), fmt.Sprintf("0.%02d", i%9),
			"N", "O", "1996-03-13", "1996-02-12", "1996-03-22", "DELIVER IN PERSON", "TRUCK", "egular courts above the"})
	}
	return Batch(s, lines...)
}

// NextKeys gives the rows of a Lineitem batch new order keys.
func NextKeys(b *row.Batch) {
	for i := range b.Len() {
		key := b.Row(i)[6:]
		binary.BigEndian.PutUint64(key, binary.BigEndian.Uint64(key)+uint64(b.Len()))
	}
}
