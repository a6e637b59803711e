package singer

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"elt/internal/row"
)

// allKinds has a column for every kind and wire; cells are texts, converted
// by package row, "" is NULL and "-" unset.
var allKinds = []row.Column{
	{Name: "b", Kind: row.Bool, Wire: row.WireBool},
	{Name: "i2", Kind: row.Int64, Wire: row.WireInt2},
	{Name: "i4", Kind: row.Int64, Wire: row.WireInt4},
	{Name: "i8", Kind: row.Int64, Wire: row.WireInt8},
	{Name: "f4", Kind: row.Float64, Wire: row.WireFloat4},
	{Name: "f8", Kind: row.Float64, Wire: row.WireFloat8},
	{Name: "n", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 30, Scale: 2},
	{Name: "t", Kind: row.Text, Wire: row.WireText},
	{Name: "by", Kind: row.Bytes, Wire: row.WireBytea},
	{Name: "d", Kind: row.Date, Wire: row.WireDate},
	{Name: "ti", Kind: row.Time, Wire: row.WireTime},
	{Name: "ts", Kind: row.Timestamp, Wire: row.WireTimestamp},
	{Name: "tz", Kind: row.TimestampTZ, Wire: row.WireTimestampTZ},
	{Name: "tx", Kind: row.TimestampTZ, Wire: row.WireTimestampExt},
	{Name: "nx", Kind: row.Timestamp, Wire: row.WireTimestampExt},
	{Name: "u", Kind: row.UUID, Wire: row.WireUUID},
	{Name: "j", Kind: row.JSON, Wire: row.WireJSON},
	{Name: "jb", Kind: row.JSON, Wire: row.WireJSONB},
}

func schemaOf(columns ...row.Column) *row.Schema {
	for i := range columns {
		columns[i].Nullable = true
	}
	return &row.Schema{Stream: `s "1"`, Columns: columns}
}

func addRow(t testing.TB, b *row.Batch, op row.Op, cells ...string) {
	t.Helper()
	b.Begin()
	for i, c := range b.Schema.Columns {
		switch cells[i] {
		case "":
			b.Null()
			continue
		case "-":
			b.SkipField()
			continue
		}
		field := []byte(cells[i])
		if c.Wire == row.WireJSONB {
			field = append([]byte{1}, field...)
		} else if c.Wire != row.WireJSON {
			convert, ok := row.Converter(row.Column{Kind: row.Text, Wire: row.WireText}, c)
			if !ok {
				t.Fatalf("no conversion to %s", c.Kind)
			}
			if convert != nil {
				var err error
				if field, err = convert(nil, field); err != nil {
					t.Fatalf("%s: %v", cells[i], err)
				}
			}
		}
		b.Field(field)
	}
	b.EndAs(op)
}

func batchOf(t testing.TB, s *row.Schema, op row.Op, cells ...string) *row.Batch {
	t.Helper()
	b := &row.Batch{}
	b.Reset(s)
	addRow(t, b, op, cells...)
	return b
}

var allCells = []string{"true", "-32768", "2147483647", "-9223372036854775808", "0.1", "1e-7", "12345678901234567890123456.70", "é\"\\\n\x01", "\x00\xff",
	"2024-02-29", "23:59:59.5", "2024-02-29T01:02:03", "2024-02-29T01:02:03.000001Z", "2024-02-29T01:02:03.123456789+05:30", "2024-02-29T01:02:03.000000001",
	"00112233-4455-6677-8899-aabbccddeeff", "{\"a\":1.10}", "[1]"}

func TestEveryKindAsJSON(t *testing.T) {
	s := schemaOf(append([]row.Column(nil), allKinds...)...)
	b := batchOf(t, s, row.Insert, allCells...)
	const common = `{"b":true,"i2":-32768,"i4":2147483647,"i8":-9223372036854775808,"f4":0.1,"f8":1e-07,"n":12345678901234567890123456.70,` +
		`"t":"é\"\\\n\u0001","by":"AP8=","d":"2024-02-29","ti":"23:59:59.500000","ts":"2024-02-29T01:02:03%[1]s","tz":"2024-02-29T01:02:03.000001+00:00",` +
		`"tx":"2024-02-29T01:02:03.123456789+05:30","nx":"2024-02-29T01:02:03.000000001%[1]s","u":"00112233-4455-6677-8899-aabbccddeeff","j":%[2]s,"jb":%[3]s}`
	for _, c := range []struct {
		style           Style
		zone, json, bin string
	}{{Singer, "+00:00", `{"a":1.10}`, `[1]`}, {Native, "", `"{\"a\":1.10}"`, `"[1]"`}, {Plain, "", `{"a":1.10}`, `[1]`}} {
		want := fmt.Sprintf(common, c.zone, c.json, c.bin)
		if got := string(NewEncoder(s, c.style, false).AppendObject(nil, b, 0)); got != want {
			t.Errorf("style %d\ngot  %s\nwant %s", c.style, got, want)
		}
	}
	line := string(NewEncoder(s, Singer, false).AppendRecord(nil, b, 0))
	if !strings.HasPrefix(line, `{"type":"RECORD","stream":"s \"1\"","record":{"b":`) || !strings.HasSuffix(line, "]}}\n") {
		t.Errorf("line %s", line)
	}
}

func TestOddValues(t *testing.T) {
	for _, c := range []struct {
		column                row.Column
		cell                  string
		singer, native, plain string
	}{
		{row.Column{Kind: row.Float64, Wire: row.WireFloat8}, "NaN", `null`, `"NaN"`, `null`},
		{row.Column{Kind: row.Float64, Wire: row.WireFloat4}, "-Infinity", `null`, `"-Infinity"`, `null`},
		{row.Column{Kind: row.Numeric, Wire: row.WireNumeric}, "NaN", `null`, `"NaN"`, `null`},
		{row.Column{Kind: row.Numeric, Wire: row.WireNumeric}, "0.00", `0.00`, `0.00`, `0.00`},
		{row.Column{Kind: row.Float64, Wire: row.WireFloat8}, "-0", `-0`, `-0`, `-0`},
		{row.Column{Kind: row.Date, Wire: row.WireDate}, "infinity", `"infinity"`, `"infinity"`, `"infinity"`},
		{row.Column{Kind: row.Date, Wire: row.WireDate}, "12345-01-02", `"12345-01-02"`, `"12345-01-02"`, `"12345-01-02"`},
		{row.Column{Kind: row.Timestamp, Wire: row.WireTimestamp}, "infinity", `"infinity"`, `"infinity"`, `"infinity"`},
		{row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampTZ}, "0044-03-15T00:00:00+00:00 BC", `"0044-03-15T00:00:00+00:00 BC"`, `"0044-03-15T00:00:00+00:00 BC"`, `"0044-03-15T00:00:00+00:00 BC"`},
		{row.Column{Kind: row.Text, Wire: row.WireText}, "a\xffb", `"a` + "\ufffd" + `b"`, `"a` + "\ufffd" + `b"`, `"a` + "\ufffd" + `b"`},
		{row.Column{Kind: row.JSON, Wire: row.WireJSON}, "{\n \"a\":\r\n1}", `{  "a":  1}`, `"{\n \"a\":\r\n1}"`, `{  "a":  1}`},
		{row.Column{Kind: row.JSON, Wire: row.WireJSON}, "\"a\xff\"", "\"a\ufffd\"", `"\"a` + "\ufffd" + `\""`, "\"a\ufffd\""},
	} {
		c.column.Name = "x"
		s := schemaOf(c.column)
		b := batchOf(t, s, row.Insert, c.cell)
		for style, want := range []string{c.singer, c.native, c.plain} {
			got := string(NewEncoder(s, Style(style), false).AppendObject(nil, b, 0))
			if got != `{"x":`+want+`}` {
				t.Errorf("%s %q, style %d: %s", c.column.Kind, c.cell, style, got)
			}
		}
	}
}

func TestNullUnsetAndDeletes(t *testing.T) {
	s := schemaOf(row.Column{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, row.Column{Name: "x", Kind: row.Text, Wire: row.WireText})
	b := &row.Batch{}
	b.Reset(s)
	addRow(t, b, row.Insert, "1", "")
	addRow(t, b, row.Update, "2", "-")
	addRow(t, b, row.Update, "-", "-")
	addRow(t, b, row.Delete, "3", "-")
	for deletes, want := range map[bool][]string{
		false: {`{"id":1,"x":null}`, `{"id":2}`, `{}`, `{"id":3}`},
		true: {`{"id":1,"x":null,"_sdc_deleted_at":null}`, `{"id":2,"_sdc_deleted_at":null}`, `{"_sdc_deleted_at":null}`,
			`{"id":3,"_sdc_deleted_at":"2000-01-01T00:00:01+00:00"}`},
	} {
		e := NewEncoder(s, Singer, deletes)
		e.SetNow(1e6)
		for i, w := range want {
			if got := string(e.AppendObject(nil, b, i)); got != w {
				t.Errorf("row %d: %s, want %s", i, got, w)
			}
		}
	}
	own := schemaOf(row.Column{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, row.Column{Name: DeletedAt, Kind: row.TimestampTZ, Wire: row.WireTimestampTZ})
	b.Reset(own)
	addRow(t, b, row.Delete, "1", "2024-01-01T00:00:00Z")
	addRow(t, b, row.Delete, "2", "-")
	addRow(t, b, row.Insert, "3", "")
	e := NewEncoder(own, Singer, true)
	for i, w := range []string{`{"id":1,"_sdc_deleted_at":"2024-01-01T00:00:00+00:00"}`, `{"id":2,"_sdc_deleted_at":"2000-01-01T00:00:00+00:00"}`, `{"id":3,"_sdc_deleted_at":null}`} {
		if got := string(e.AppendObject(nil, b, i)); got != w {
			t.Errorf("row %d: %s, want %s", i, got, w)
		}
	}
}

func TestVersionAndTimeExtracted(t *testing.T) {
	s := schemaOf(row.Column{Name: "id", Kind: row.Int64, Wire: row.WireInt4})
	b := &row.Batch{}
	b.Reset(s)
	b.Begin()
	b.Int4(1)
	b.End()
	b.ExtractedAt(1500000)
	b.Version = 7
	got := string(NewEncoder(s, Singer, false).AppendRecord(nil, b, 0))
	want := `{"type":"RECORD","stream":"s \"1\"","record":{"id":1},"version":7,"time_extracted":"2000-01-01T00:00:01.500000+00:00"}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestSchemaOfColumns(t *testing.T) {
	s := schemaOf(append([]row.Column(nil), allKinds...)...)
	s.Columns[3].Nullable = false
	raw, err := SchemaOf(s, true)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Properties map[string]json.RawMessage
		Absent     string `json:"x-elt-absent"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"i2":      `{"type":["null","integer"],"minimum":-32768,"maximum":32767,"x-elt-kind":"int64","x-elt-wire":21}`,
		"i8":      `{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807,"x-elt-kind":"int64"}`,
		"f4":      `{"type":["null","number"],"x-elt-kind":"float64","x-elt-wire":700}`,
		"n":       `{"type":["null","number"],"x-elt-kind":"numeric","x-elt-precision":30,"x-elt-scale":2}`,
		"by":      `{"type":["null","string"],"contentEncoding":"base64","x-elt-kind":"bytes"}`,
		"tz":      `{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamptz"}`,
		"nx":      `{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamp","x-elt-wire":2147483649}`,
		"jb":      `{"type":["null","object","array","string","number","integer","boolean"],"x-elt-kind":"json","x-elt-wire":3802}`,
		DeletedAt: `{"type":["null","string"],"format":"date-time"}`,
	} {
		if !EqualJSON(got.Properties[name], []byte(want)) {
			t.Errorf("%s: %s, want %s", name, got.Properties[name], want)
		}
	}
	if got.Absent != Unset {
		t.Error("absence is not announced")
	}
	s.Source = []byte(`{"type":"object","properties":{"id":{"type":"integer","multipleOf":0.10}}}`)
	if raw, _ := SchemaOf(s, false); string(raw) != string(s.Source) {
		t.Errorf("the source's schema is changed: %s", raw)
	}
	if raw, _ := SchemaOf(s, true); !strings.Contains(string(raw), `"multipleOf":0.10`) || !strings.Contains(string(raw), DeletedAt) {
		t.Errorf("marker in the source's schema: %s", raw)
	}
}

func lineitem(t testing.TB, rows int) *row.Batch {
	s := &row.Schema{Stream: "lineitem", Key: []string{"l_orderkey"}, Columns: []row.Column{
		{Name: "l_orderkey", Kind: row.Int64, Wire: row.WireInt4}, {Name: "l_partkey", Kind: row.Int64, Wire: row.WireInt4},
		{Name: "l_quantity", Kind: row.Numeric, Wire: row.WireNumeric}, {Name: "l_extendedprice", Kind: row.Numeric, Wire: row.WireNumeric},
		{Name: "l_returnflag", Kind: row.Text, Wire: row.WireText}, {Name: "l_shipdate", Kind: row.Date, Wire: row.WireDate},
		{Name: "l_receipt", Kind: row.TimestampTZ, Wire: row.WireTimestampTZ}, {Name: "l_tax", Kind: row.Float64, Wire: row.WireFloat8},
		{Name: "l_comment", Kind: row.Text, Wire: row.WireText},
	}}
	b := &row.Batch{}
	b.Reset(s)
	for i := range rows {
		addRow(t, b, row.Insert, fmt.Sprint(i), fmt.Sprint(i*7919%200000), fmt.Sprint(i%50+1)+".00", fmt.Sprintf("%d.%02d", i*31%90000, i%100),
			"N", "1996-03-13", "1996-03-22T10:11:12.123456Z", fmt.Sprint(math.Trunc(float64(i%9))/100), "egular courts above the quickly silent \"deposits\"")
	}
	return b
}

func TestEncodingAllocatesNothing(t *testing.T) {
	b := lineitem(t, 100)
	e := NewEncoder(b.Schema, Singer, false)
	dst := make([]byte, 0, 1<<20)
	n := testing.AllocsPerRun(20, func() {
		dst = dst[:0]
		for i := range b.Len() {
			dst = e.AppendRecord(dst, b, i)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per hundred rows", n)
	}
}

func BenchmarkEncodeLineitem(bench *testing.B) {
	b := lineitem(bench, 1000)
	e := NewEncoder(b.Schema, Singer, false)
	var dst []byte
	for i := range b.Len() {
		dst = e.AppendRecord(dst, b, i)
	}
	bench.SetBytes(int64(len(dst)))
	bench.ReportAllocs()
	for bench.Loop() {
		dst = dst[:0]
		for i := range b.Len() {
			dst = e.AppendRecord(dst, b, i)
		}
	}
	bench.ReportMetric(float64(b.Len())*float64(bench.N)/bench.Elapsed().Seconds(), "rows/s")
}

func BenchmarkEncodeText(bench *testing.B) {
	s := schemaOf()
	cells := []string{}
	for i := range 12 {
		s.Columns = append(s.Columns, row.Column{Name: fmt.Sprintf("column_%d", i), Kind: row.Text, Wire: row.WireText})
		cells = append(cells, strings.Repeat("some words of text ", 2))
	}
	b := batchOf(bench, s, row.Insert, cells...)
	e := NewEncoder(s, Singer, false)
	dst := e.AppendRecord(nil, b, 0)
	bench.SetBytes(int64(len(dst)))
	bench.ReportAllocs()
	for bench.Loop() {
		dst = e.AppendRecord(dst[:0], b, 0)
	}
}
