package row_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"elt/internal/row"

	"pgregory.net/rapid"
)

func TestNumericTextRoundTrip(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0.00", "1": "1", "-1": "-1", "10000": "10000", "9999": "9999", "100000000": "100000000",
		"1.50": "1.50", "0.0001": "0.0001", "0.00001": "0.00001", "-123456789.987654321": "-123456789.987654321",
		"1e6": "1000000", "1.5e3": "1500", "1.5e-3": "0.0015", "12345678901234567890123": "12345678901234567890123",
		"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity", "+7": "7", ".5": "0.5", "5.": "5", "1E+2": "100",
		"0.10": "0.10", "100.000": "100.000", "00012.3400": "12.3400", "9223372036854775808": "9223372036854775808",
	} {
		field, ok := row.AppendNumeric(nil, []byte(in))
		if !ok {
			t.Errorf("%q is refused", in)
			continue
		}
		if got := string(row.AppendNumericText(nil, field)); got != want {
			t.Errorf("%q reads back as %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"", "-", ".", "e5", "1e", "1x", "0x10", "1e999999", "1 ", "--1", "1.2.3", "null"} {
		if dst, ok := row.AppendNumeric([]byte("keep"), []byte(bad)); ok || string(dst) != "keep" {
			t.Errorf("%q is taken as %x", bad, dst)
		}
	}
}

func TestNumericIsExactForAnyDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,60})(\.[0-9]{1,40})?(e[+-]?[0-9]{1,2})?`).Draw(t, "decimal")
		field, ok := row.AppendNumeric(nil, []byte(text))
		if !ok {
			t.Fatalf("%q is refused", text)
		}
		want, _ := new(big.Rat).SetString(text)
		got, ok := new(big.Rat).SetString(string(row.AppendNumericText(nil, field)))
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("%q reads back as %s", text, row.AppendNumericText(nil, field))
		}
	})
}

func TestTimestampForms(t *testing.T) {
	for in, want := range map[string]string{
		"2024-02-29T12:34:56Z":            "2024-02-29T12:34:56+00:00",
		"2024-02-29 12:34:56":             "2024-02-29T12:34:56",
		"2024-02-29T12:34:56.5+02:00":     "2024-02-29T12:34:56.500000+02:00",
		"2024-02-29T12:34:56.123456789Z":  "2024-02-29T12:34:56.123456789+00:00",
		"2024-02-29T12:34:56+0530":        "2024-02-29T12:34:56+05:30",
		"2024-02-29T12:34:56-08":          "2024-02-29T12:34:56-08:00",
		"2024-02-29T12:34:56+00:00+00:00": "2024-02-29T12:34:56+00:00",
		"2024-02-29T12:34:56+00:00Z":      "2024-02-29T12:34:56+00:00",
		"2024-02-29":                      "2024-02-29T00:00:00",
		"2024-02-29T12:34Z":               "2024-02-29T12:34:00+00:00",
		"0000-01-01T00:00:00Z":            "0001-01-01T00:00:00+00:00 BC",
		"0044-03-15 00:00:00 BC":          "0044-03-15T00:00:00 BC",
		"10000-01-01T00:00:00Z":           "10000-01-01T00:00:00+00:00",
		"infinity":                        "infinity",
		"-infinity":                       "-infinity",
		"1900-01-01T00:00:00+00:19:32":    "1900-01-01T00:00:00+00:19:32",
		"2016-12-31T23:59:60Z":            "2017-01-01T00:00:00+00:00",
		"2024-01-01 10:00:00 UTC":         "2024-01-01T10:00:00+00:00",
		"2024-01-01 10:00:00 +02:00":      "2024-01-01T10:00:00+02:00",
	} {
		i, ok := row.ParseTimestamp([]byte(in))
		if !ok {
			t.Errorf("%q is refused", in)
			continue
		}
		if got := string(row.AppendInstantText(nil, i)); got != want {
			t.Errorf("%q reads back as %q, want %q", in, got, want)
		}
		field := row.AppendTimestampExt(nil, i)
		if row.TimestampExt(field) != i {
			t.Errorf("%q changes in its wire", in)
		}
	}
	for _, bad := range []string{"", "2024", "2024-13-01", "2023-02-29", "2024-01-01T25:00:00Z", "1700000000", "2024-01-01T00:00:00X", "24-01-01", "2024-01-01T", "yesterday"} {
		if i, ok := row.ParseTimestamp([]byte(bad)); ok {
			t.Errorf("%q is taken as %+v", bad, i)
		}
	}
}

func TestTimestampsAgreeWithTimePackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec"), int64(rapid.IntRange(0, 999999).Draw(t, "us"))*1000).UTC()
		i, ok := row.ParseTimestamp([]byte(at.Format(time.RFC3339Nano)))
		if !ok || i.Sec != at.Unix() || int(i.Nano) != at.Nanosecond() {
			t.Fatalf("%s read as %+v", at, i)
		}
		micros, exact := i.Micros()
		if !exact || row.InstantOf(micros, true) != i {
			t.Fatalf("%s as %d micros", at, micros)
		}
		if back, err := time.Parse(time.RFC3339Nano, string(row.AppendInstantText(nil, i))); err != nil || !back.Equal(at) {
			t.Fatalf("%s written as %s", at, row.AppendInstantText(nil, i))
		}
	})
}

func TestDates(t *testing.T) {
	for _, text := range []string{"2000-01-01", "1999-12-31", "0001-01-01", "0001-12-31 BC", "4713-01-01 BC", "99999-12-31", "infinity", "-infinity", "1600-02-29"} {
		days, ok := row.ParseDate([]byte(text))
		if !ok {
			t.Errorf("%q is refused", text)
		} else if got := string(row.AppendDateText(nil, days)); got != text {
			t.Errorf("%q reads back as %q", text, got)
		}
	}
	if days, _ := row.ParseDate([]byte("2000-01-02")); days != 1 {
		t.Errorf("2000-01-02 is day %d", days)
	}
	if _, ok := row.ParseDate([]byte("2024-01-01T00:00:00Z")); ok {
		t.Error("a timestamp is taken as a date")
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]string{"00:00": "00:00:00", "23:59:59.999999": "23:59:59.999999", "24:00:00": "24:00:00", "12:30:01.5": "12:30:01.500000"} {
		micros, ok := row.ParseTime([]byte(in))
		if got := string(row.AppendTimeText(nil, micros)); !ok || got != want {
			t.Errorf("%q reads back as %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"24:00:01", "1:00", "12:60", "12:00:00.1234567", "12:00:00+00"} {
		if _, ok := row.ParseTime([]byte(bad)); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestBatchFields(t *testing.T) {
	s := &row.Schema{Stream: "s", Columns: []row.Column{{Name: "a", Kind: row.Int64, Wire: row.WireInt8}, {Name: "b", Kind: row.Text, Wire: row.WireText}}}
	pool := row.NewPool(64)
	b := pool.Get(s)
	b.Begin()
	b.Int8(7)
	b.Str("x")
	b.End()
	b.Begin()
	b.Null()
	b.SkipField()
	b.EndAs(row.Update)
	b.Begin()
	b.Int8(9)
	b.Open()
	b.Data = append(b.Data, "long"...)
	b.Close()
	b.End()
	b.Begin()
	b.Int8(10)
	b.Str("gone")
	b.EndAs(row.Delete)
	b.Drop()
	if b.Len() != 3 || b.Op(0) != row.Insert || b.Op(1) != row.Update || b.Op(2) != row.Insert || !b.Unset {
		t.Fatalf("batch is %+v", b)
	}
	f := b.Fields(1)
	if _, st := f.Next(); st != row.IsNull {
		t.Error("field 0 of row 1 is not NULL")
	}
	if _, st := f.Next(); st != row.IsUnset {
		t.Error("field 1 of row 1 is not unset")
	}
	f = b.Fields(2)
	f.Next()
	if v, st := f.Next(); st != row.Value || string(v) != "long" {
		t.Errorf("field 1 of row 2 is %q", v)
	}
	if n := binary.BigEndian.Uint16(b.Row(2)); n != 2 {
		t.Errorf("row 2 has %d fields", n)
	}
	b.Release()
	if again := pool.Get(s); again.Len() != 0 || again.Ops != nil || again.Unset {
		t.Error("a batch from the pool is not empty")
	}
}

func TestWidenAndHold(t *testing.T) {
	col := func(k row.Kind, w row.Wire, ps ...int) row.Column {
		c := row.Column{Name: "c", Kind: k, Wire: w}
		if len(ps) == 2 {
			c.Precision, c.Scale = ps[0], ps[1]
		}
		return c
	}
	i4, i8 := col(row.Int64, row.WireInt4), col(row.Int64, row.WireInt8)
	num, n52 := col(row.Numeric, row.WireNumeric), col(row.Numeric, row.WireNumeric, 5, 2)
	text, js := col(row.Text, row.WireText), col(row.JSON, row.WireJSON)
	date, ts, tz := col(row.Date, row.WireDate), col(row.Timestamp, row.WireTimestamp), col(row.TimestampTZ, row.WireTimestampTZ)
	for _, c := range []struct{ have, want, out row.Column }{
		{i4, i8, i8}, {i8, i4, i8}, {i8, num, num}, {n52, i4, col(row.Numeric, row.WireNumeric, 12, 2)},
		{i8, col(row.Float64, row.WireFloat8), num}, {date, tz, tz}, {ts, tz, tz}, {i8, text, text}, {text, js, text}, {js, text, js},
		{i8, js, js}, {date, i8, text}, {col(row.Bool, row.WireBool), i8, text}, {tz, text, text},
	} {
		if got := row.Widen(c.have, c.want); got != c.out {
			t.Errorf("Widen(%s %d, %s %d) = %+v", c.have.Kind, c.have.Wire, c.want.Kind, c.want.Wire, got)
		}
		if !row.Holds(row.Widen(c.have, c.want), c.want) {
			t.Errorf("the widened column of %s and %s does not hold the latter", c.have.Kind, c.want.Kind)
		}
	}
	if row.Holds(i4, i8) || row.Holds(n52, num) || !row.Holds(text, tz) {
		t.Error("Holds is wrong")
	}
}

func TestConvert(t *testing.T) {
	col := func(k row.Kind, w row.Wire) row.Column { return row.Column{Name: "c", Kind: k, Wire: w} }
	i8, i4, num, text := col(row.Int64, row.WireInt8), col(row.Int64, row.WireInt4), col(row.Numeric, row.WireNumeric), col(row.Text, row.WireText)
	field := func(c row.Column, s string) []byte {
		if c.Kind == row.JSON {
			return []byte(s)
		}
		conv, ok := row.Converter(text, c)
		if !ok {
			t.Fatalf("no way from text to %s", c.Kind)
		}
		if conv == nil {
			return []byte(s)
		}
		out, err := conv(nil, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		from, to row.Column
		in, want string // "" means: does not fit
	}{
		{i8, num, "-9223372036854775808", "-9223372036854775808"}, {num, i8, "9223372036854775807", "9223372036854775807"},
		{num, i8, "9223372036854775808", ""}, {num, i8, "1.5", ""}, {num, i8, "1.0", "1"}, {i8, i4, "2147483648", ""}, {i8, i4, "-1", "-1"},
		{col(row.Date, row.WireDate), col(row.TimestampTZ, row.WireTimestampTZ), "1999-12-31", "1999-12-31T00:00:00+00:00"},
		{col(row.Timestamp, row.WireTimestamp), col(row.TimestampTZ, row.WireTimestampExt), "2024-01-01T00:00:00", "2024-01-01T00:00:00"},
		{col(row.TimestampTZ, row.WireTimestampExt), col(row.TimestampTZ, row.WireTimestampTZ), "2024-01-01T02:00:00.123456789+02:00", "2024-01-01T00:00:00.123456+00:00"},
		{col(row.TimestampTZ, row.WireTimestampExt), col(row.TimestampTZ, row.WireTimestampTZ), "999999-01-01T02:00:00Z", ""},
		{col(row.UUID, row.WireUUID), text, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{col(row.JSON, row.WireJSON), text, `"a\"\u00e9\ud83d\ude00"`, "a\"é😀"}, {col(row.JSON, row.WireJSON), text, `{"a":1.10}`, `{"a":1.10}`},
		{col(row.Float64, row.WireFloat8), num, "0.1", "0.1"}, {col(row.Float64, row.WireFloat8), num, "NaN", "NaN"},
		{text, col(row.JSON, row.WireJSONB), "a\"\n", `"a\"\n"`}, {i8, col(row.JSON, row.WireJSON), "12", "12"},
	} {
		conv, ok := row.Converter(c.from, c.to)
		if !ok {
			t.Errorf("no way from %s to %s", c.from.Kind, c.to.Kind)
			continue
		}
		out, err := conv(nil, field(c.from, c.in))
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%s %q fits %s", c.from.Kind, c.in, c.to.Kind)
		case c.want != "" && err != nil:
			t.Errorf("%s %q: %v", c.from.Kind, c.in, err)
		case c.want != "":
			if got := string(row.AppendText(nil, &c.to, out)); got != c.want {
				t.Errorf("%s %q becomes %q, want %q", c.from.Kind, c.in, got, c.want)
			}
		}
	}
}

func TestJSONStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		quoted := row.AppendJSONString(nil, []byte(s))
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Fatalf("%q becomes %s", s, quoted)
		}
		std, _ := json.Marshal(s)
		if out, err := row.AppendJSONUnquoted(nil, std); err != nil || string(out) != back {
			t.Fatalf("%s unquotes to %q", std, out)
		}
	})
}

func TestFloatsReadBack(t *testing.T) {
	c := row.Column{Name: "f", Kind: row.Float64, Wire: row.WireFloat8}
	for _, f := range []float64{0.1, 1e300, -1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 123456789012345680000} {
		field := binary.BigEndian.AppendUint64(nil, math.Float64bits(f))
		var back float64
		if err := json.Unmarshal(row.AppendJSON(nil, &c, field), &back); err != nil || back != f {
			t.Errorf("%v becomes %s", f, row.AppendJSON(nil, &c, field))
		}
	}
	if got := string(row.AppendJSON(nil, &c, binary.BigEndian.AppendUint64(nil, math.Float64bits(math.NaN())))); got != `"NaN"` {
		t.Errorf("NaN is %s", got)
	}
}

func BenchmarkAppendNumeric(b *testing.B) {
	b.ReportAllocs()
	dst := make([]byte, 0, 64)
	for b.Loop() {
		dst, _ = row.AppendNumeric(dst[:0], []byte("21168.23"))
	}
}
