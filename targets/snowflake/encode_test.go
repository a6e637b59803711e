package snowflake

import (
	"encoding/csv"

	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"elt/internal/row"
)

// planned is a layout for a table that does not exist.
func planned(t testing.TB, over map[string]any, schema *row.Schema, w wants) *layout {
	t.Helper()
	set, err := settled(t, over)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{set: set}
	l, err := s.plan(schema, nil, w)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func column(name string, kind row.Kind) row.Column {
	return row.Column{Name: name, Kind: kind, Wire: kind.DefaultWire(), Nullable: true}
}

// Whatever text comes, a reader of CSV gets it back, and NULL stays apart from
// the empty string; so does our own reader for rows without a file.
func TestTextSurvives(t *testing.T) {
	schema := &row.Schema{Stream: "a", Columns: []row.Column{column("t", row.Text), column("u", row.Text)}}
	l := planned(t, map[string]any{"add_record_metadata": false}, schema, wants{})
	e, err := newEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `""`, `\N`, "NULL", "a,b", "a\nb", "\r\n", `\`, `a"`})).Draw(t, "text")
		b := &row.Batch{}
		b.Reset(schema)
		b.Begin()
		b.Str(text)
		b.Null()
		b.End()
		line, err := e.append(nil, b, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(line), `"`) || !strings.HasSuffix(string(line), ",\n") {
			t.Fatalf("%q: text without quotes, or a NULL with some", line)
		}
		got, err := csv.NewReader(strings.NewReader(string(line))).Read()
		if want := strings.ReplaceAll(text, "\r\n", "\n"); err != nil || got[0] != want {
			t.Fatalf("%q reads back as %q, %v", text, got, err)
		}
		s, n := insert("x", line)
		if n != 1 || len(s.args) != 2 || s.args[0] != text || s.args[1] != nil {
			t.Fatalf("%q reads back as %q", text, s.args)
		}
	})
}

func TestValuesAsText(t *testing.T) {
	ext := func(i row.Instant) []byte { return row.AppendTimestampExt(nil, i) }
	numeric := func(s string) []byte { f, _ := row.AppendNumeric(nil, []byte(s)); return f }
	stamp := row.Column{Name: "v", Kind: row.TimestampTZ, Wire: row.WireTimestampExt}
	for _, c := range []struct {
		column row.Column
		field  []byte
		set    map[string]any
		want   string
	}{
		{column("v", row.Bool), []byte{1}, nil, "true"},
		{column("v", row.Int64), []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, nil, "-9223372036854775808"},
		{column("v", row.Numeric), numeric("-0.10"), nil, "-0.10"},
		{column("v", row.Float64), []byte{0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, nil, "inf"},
		{column("v", row.Bytes), []byte{0, 255}, nil, "00ff"},
		{column("v", row.JSON), []byte(`{"a":"b\"c"}`), nil, `"{""a"":""b\""c""}"`},
		{row.Column{Name: "v", Kind: row.JSON, Wire: row.WireJSON, Mixed: true}, []byte(`"x"`), nil, `"x"`},
		{stamp, ext(row.Instant{Sec: 1714972089, Nano: 123456789, Offset: 7200}), nil, "2024-05-06T05:08:09.123456789"},
		{stamp, ext(row.Instant{Sec: 1714972089, Offset: 7200}), map[string]any{"timestamp_type": "TIMESTAMP_TZ"}, "2024-05-06T07:08:09+02:00"},
		{stamp, ext(row.Instant{Sec: 1714972089, Offset: row.NoOffset}), map[string]any{"timestamp_type": "TIMESTAMP_TZ"}, "2024-05-06T05:08:09+00:00"},
		{column("v", row.UUID), make([]byte, 16), nil, `"00000000-0000-0000-0000-000000000000"`},
	} {
		schema := &row.Schema{Stream: "a", Columns: []row.Column{c.column}}
		over := map[string]any{"add_record_metadata": false}
		for k, v := range c.set {
			over[k] = v
		}
		e, err := newEncoder(planned(t, over, schema, wants{}))
		if err != nil {
			t.Fatal(err)
		}
		b := &row.Batch{}
		b.Reset(schema)
		b.Begin()
		b.Field(c.field)
		b.End()
		line, err := e.append(nil, b, 0, 0)
		if got := strings.TrimSuffix(string(line), "\n"); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.column.Kind, got, err, c.want)
		}
	}
}

// figures say what a number needs, by its digits alone.
func TestFiguresOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.StringMatching(`[1-9][0-9]{0,40}|0`).Draw(t, "whole")
		behind := rapid.StringMatching(`[0-9]{0,40}`).Draw(t, "behind")
		field, ok := row.AppendNumeric(nil, []byte(whole+"."+behind+"0"))
		if !ok {
			t.Fatal("no number")
		}
		var f figures
		f.see(field)
		digits := len(whole)
		if whole == "0" {
			digits = 0
		}
		if scale := len(strings.TrimRight(behind, "0")); f.whole != digits || f.scale != scale {
			t.Fatalf("%s.%s: %+v, want %d and %d", whole, behind, f, digits, scale)
		}
		need := f.need(column("n", row.Numeric), nil)
		fits := digits+f.scale <= maxDigits
		if fits != (need.Kind == row.Numeric) || fits && (need.Scale < f.scale || need.Precision-need.Scale < digits || need.Precision > maxDigits) {
			t.Fatalf("%s.%s goes into %+v", whole, behind, need)
		}
	})
}

// lineitem is rows like TPC-H's, with metadata and a key.
func lineitem(rows int) (*row.Schema, *row.Batch) {
	decimal := row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: 15, Scale: 2}
	schema := &row.Schema{Stream: "lineitem", Key: []string{"l_orderkey", "l_linenumber"}}
	add := func(name string, c row.Column) {
		c.Name = name
		schema.Columns = append(schema.Columns, c)
	}
	for _, name := range []string{"l_orderkey", "l_partkey", "l_suppkey", "l_linenumber"} {
		add(name, column(name, row.Int64))
	}
	for _, name := range []string{"l_quantity", "l_extendedprice", "l_discount", "l_tax"} {
		add(name, decimal)
	}
	add("l_returnflag", column("", row.Text))
	add("l_linestatus", column("", row.Text))
	for _, name := range []string{"l_shipdate", "l_commitdate", "l_receiptdate"} {
		add(name, column(name, row.Date))
	}
	for _, name := range []string{"l_shipinstruct", "l_shipmode", "l_comment"} {
		add(name, column("", row.Text))
	}
	b := &row.Batch{}
	b.Reset(schema)
	words := strings.Fields("carefully quickly final regular pending ironic express deposits accounts packages requests foxes theodolites sleep haggle nag among the furiously slyly blithely")
	x := uint64(88172645463325252)
	next := func(n int) int { x ^= x << 13; x ^= x >> 7; x ^= x << 17; return int(x % uint64(n)) }
	for i := range rows {
		b.Begin()
		b.Int8(int64(i / 4))
		b.Int8(int64(next(200000)))
		b.Int8(int64(next(10000)))
		b.Int8(int64(i % 4))
		for _, max := range []int{50, 104949, 0, 0} {
			b.Open()
			text := "0.0" + strconv.Itoa(next(9))
			if max > 0 {
				text = strconv.Itoa(next(max)) + "." + strconv.Itoa(10+next(89))
			}
			b.Data, _ = row.AppendNumeric(b.Data, []byte(text))
			b.Close()
		}
		b.Str("N")
		b.Str("O")
		for range 3 {
			b.Int4(int32(-2900 + next(2500)))
		}
		b.Str("DELIVER IN PERSON")
		b.Str([]string{"TRUCK", "MAIL", "SHIP", "AIR"}[next(4)])
		b.Str(words[next(len(words))] + " " + words[next(len(words))] + " " + words[next(len(words))] + " " + words[next(len(words))])
		b.End()
	}
	return schema, b
}

func TestEncodingAllocatesNothing(t *testing.T) {
	schema, b := lineitem(100)
	e, err := newEncoder(planned(t, nil, schema, wants{deletes: true, masked: true}))
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 1<<20)
	e.begin(0, 0, 0)
	line := func() {
		dst = dst[:0]
		for i := range b.Len() {
			if dst, err = e.append(dst, b, i, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	line()
	clear(e.keys)
	if n := testing.AllocsPerRun(5, line); n > 0 {
		t.Errorf("%v allocations for 100 rows", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	schema, rows := lineitem(10_000)
	e, err := newEncoder(planned(b, nil, schema, wants{}))
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4<<20)
	b.ReportAllocs()
	for b.Loop() {
		dst = dst[:0]
		e.begin(0, 0, 0)
		for i := range rows.Len() {
			if dst, err = e.append(dst, rows, i, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*rows.Len())/b.Elapsed().Seconds(), "rows/s")
	b.SetBytes(int64(len(dst)))
}
