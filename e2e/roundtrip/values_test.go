package roundtrip

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// column is a type of PostgreSQL, and values of all its range as text that it
// reads.
type column struct {
	sqlType string
	value   *rapid.Generator[string]
}

func texts(of ...string) *rapid.Generator[string] { return rapid.SampledFrom(of) }

func integer(from, to int64) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprint(rapid.OneOf(rapid.Int64Range(from, to), rapid.SampledFrom([]int64{from, to, 0})).Draw(t, "integer"))
	})
}

func decimal(whole, frac int) *rapid.Generator[string] {
	return rapid.StringMatching(fmt.Sprintf(`-?[0-9]{1,%d}\.[0-9]{0,%d}`, whole, frac))
}

func float(bits int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if bits == 32 {
			return strconv.FormatFloat(float64(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{0, math.SmallestNonzeroFloat32, math.MaxFloat32})).Draw(t, "float")), 'g', -1, 32)
		}
		return strconv.FormatFloat(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.SmallestNonzeroFloat64, math.MaxFloat64})).Draw(t, "float"), 'g', -1, 64)
	})
}

// words are texts of all that PostgreSQL can store.
var words = rapid.Custom(func(t *rapid.T) string {
	return strings.ReplaceAll(rapid.OneOf(rapid.String(), texts("", " ", "NULL", `\N`, "\\", "a\nb\r\nc", `"x", 'y'`, "{}", "é😀", "\u2028")).Draw(t, "text"), "\x00", "")
})

func instant(layout string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return time.UnixMicro(rapid.Int64Range(-62135596800e6, 253402300799e6).Draw(t, "µs")).UTC().Format(layout)
	})
}

var documents = rapid.Custom(func(t *rapid.T) string {
	raw, err := json.Marshal(map[string]any{words.Draw(t, "key"): []any{words.Draw(t, "value"), json.Number(decimal(25, 3).Draw(t, "number") + "1"), nil, true}})
	if err != nil {
		raw = []byte(`{"a": 1.10}`) // a number with a leading zero
	}
	return string(raw)
})

// list is an array of up to three values, some NULL.
func list(of *rapid.Generator[string]) *rapid.Generator[string] {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return rapid.Custom(func(t *rapid.T) string {
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
				parts = append(parts, "NULL")
			} else {
				parts = append(parts, `"`+quote.Replace(of.Draw(t, "element"))+`"`)
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	})
}

// columns are the types of the server and of its usual extensions.
var columns = []column{
	{"bool", texts("true", "false")},
	{"int2", integer(math.MinInt16, math.MaxInt16)},
	{"int4", integer(math.MinInt32, math.MaxInt32)},
	{"int8", integer(math.MinInt64, math.MaxInt64)},
	{"numeric", rapid.OneOf(decimal(60, 40), texts("NaN", "Infinity", "-Infinity", "0", "0.000", "1e-30", "1e50"))},
	{"numeric(12,2)", rapid.OneOf(decimal(10, 2), texts("NaN"))},
	{"numeric(38,10)", decimal(28, 10)},
	{"float4", rapid.OneOf(float(32), texts("NaN", "Infinity", "-Infinity"))},
	{"float8", rapid.OneOf(float(64), texts("NaN", "Infinity", "-Infinity"))},
	{"money", rapid.OneOf(integer(-92233720368547758, 92233720368547757), texts("0.01", "-0.99"))},
	{"oid", integer(0, math.MaxUint32)},
	{"text", words},
	{"varchar(20)", rapid.Map(words, func(s string) string { return string([]rune(s)[:min(20, len([]rune(s)))]) })},
	{"char(5)", texts("", "a", "é  b", "abcde")},
	{"name", texts("a name", `q"uote`)},
	{"citext", words},
	{"bytea", rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return fmt.Sprintf(`\x%x`, b) })},
	{"date", rapid.OneOf(instant("2006-01-02"), texts("infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"))},
	{"time", rapid.OneOf(instant("15:04:05.999999"), texts("24:00:00"))},
	{"timetz", texts("12:34:56.789+05:30", "00:00-12")},
	{"timestamp", rapid.OneOf(instant("2006-01-02 15:04:05.999999"), texts("infinity", "-infinity", "4713-01-01 00:00 BC", "294276-12-31 23:59:59.999999"))},
	{"timestamptz", rapid.OneOf(instant("2006-01-02 15:04:05.999999Z07:00"), texts("infinity", "-infinity", "0044-03-15 12:00+00 BC", "294276-12-31 23:59:59.999999+00"))},
	{"interval", texts("1 year 2 mons -3 days 04:05:06.7", "-178000000 years", "0", "-00:00:00.000001")},
	{"uuid", rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string { return fmt.Sprintf("%x", b) })},
	{"json", documents},
	{"jsonb", documents},
	{"inet", texts("10.1.2.3", "10.1.2.3/8", "::1", "2001:db8::1/64")},
	{"cidr", texts("10.0.0.0/8", "2001:db8::/32")},
	{"macaddr", texts("08:00:2b:01:02:03")},
	{"macaddr8", texts("08:00:2b:01:02:03:04:05")},
	{"bit(4)", texts("0101", "1111")},
	{"varbit", texts("", "01010")},
	{"int4range", texts("[1,5)", "empty", "(,)", "[,3)")},
	{"numrange", texts("[1.50,2]", "(NaN,)", "empty")},
	{"tstzrange", texts(`["2024-01-01 00:00+00",infinity)`, "empty")},
	{"datemultirange", texts("{}", "{[2024-01-01,2024-02-01),[2025-01-01,)}")},
	{"point", texts("(1.5,-2)")},
	{"tsvector", texts("'a':1 'b':2")},
	{"xml", texts("<a b=\"c\">é</a>")},
	{"mood", texts("sad", "très happy")},
	{"cents", texts("12.34", "0.01")},
	{"pair", texts(`(1,"x""y")`, "(,)")},
	{"hstore", texts(`"a"=>"1", "b"=>NULL`, "")},
	{"bool[]", list(texts("t", "f"))},
	{"int8[]", list(integer(math.MinInt64, math.MaxInt64))},
	{"numeric[]", list(rapid.OneOf(decimal(20, 10), texts("NaN")))},
	{"float8[]", list(float(64))},
	{"text[]", list(words)},
	{"text[]", texts("{}", "{{a,b},{c,NULL}}")},
	{"bytea[]", list(texts(`\x00ff`, `\x`))},
	{"date[]", list(instant("2006-01-02"))},
	{"timestamptz[]", list(instant("2006-01-02 15:04:05.999999Z07:00"))},
	{"uuid[]", list(texts("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))},
	{"jsonb[]", list(documents)},
	{"mood[]", list(texts("sad"))},
	{"inet[]", list(texts("10.1.2.3"))},
	{"int4range[]", list(texts("[1,5)", "empty"))},
	{"pair[]", texts(`{"(1,x)",NULL}`)},
}

const setUp = `create extension if not exists citext; create extension if not exists hstore;
	create type mood as enum ('sad', 'très happy'); create type pair as (a int, "b c" text); create domain cents as numeric(10,2) check (value > 0);
	create schema src`

// names of columns, odd ones among them.
var names = []string{"plain", "MiXed", "with blank", `quo"te`, "ünïcode", "select", "_sdc", "a.b", "a-b", "a__b", strings.Repeat("long", 15)}
