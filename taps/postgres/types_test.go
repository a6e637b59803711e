package postgres_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"elt/internal/row"
)

// Every type of the server with its edge values. A value is checked against
// what the server itself prints, with T between date and time as row.AppendText has it.
var typeCases = []struct {
	sqlType string
	kind    row.Kind
	values  []string // SQL literals
	print   string   // how the server is asked for the text, when its own printing is not it
}{
	{"bool", row.Bool, []string{"true", "false"}, "%s::text"},
	{"int2", row.Int64, []string{"-32768", "32767", "0"}, ""},
	{"int4", row.Int64, []string{"-2147483648", "2147483647"}, ""},
	{"int8", row.Int64, []string{"-9223372036854775808", "9223372036854775807", "9007199254740993"}, ""},
	{"numeric", row.Numeric, []string{"'NaN'", "'Infinity'", "'-Infinity'", "0", "0.000", "-1.10", "1e-20", "12345678901234567890.123456789012345678901", "1e300", "(repeat('9', 5000) || '.' || repeat('1', 3000))::numeric"}, ""},
	{"numeric(12,2)", row.Numeric, []string{"1.1", "-9999999999.99"}, ""},
	{"numeric(3,-2)", row.Numeric, []string{"12300"}, ""},
	{"numeric(2,4)", row.Numeric, []string{"0.0012"}, ""},
	{"float4", row.Float64, []string{"0.1", "'NaN'", "'-Infinity'", "-0", "3.4e38", "16777216"}, "float"},
	{"float8", row.Float64, []string{"0.1", "'NaN'", "'Infinity'", "1e-300", "5e-324", "9007199254740993"}, "float"},
	{"money", row.Numeric, []string{"'$1,234.56'", "'-92233720368547758.08'"}, "%s::numeric::text"},
	{"oid", row.Int64, []string{"4294967295"}, ""},
	{"text", row.Text, []string{"''", "'NULL'", `E'a\tb\nc\\"\u00e9\U0001F600'`, "repeat('x', 300000)"}, ""},
	{"varchar(7)", row.Text, []string{"'abc'", "'éééé'"}, ""},
	{"bpchar(5)", row.Text, []string{"'ab'"}, ""},
	{`"char"`, row.Text, []string{"'a'", `'\303'`}, ""},
	{"name", row.Text, []string{"'a name'"}, ""},
	{"citext", row.Text, []string{"'MiXed'"}, ""},
	{"xml", row.Text, []string{`'<?xml version="1.0"?><a b="c">é</a>'`}, ""},
	{"bytea", row.Bytes, []string{`'\x'`, `'\x00ff10'`}, ""},
	{"date", row.Date, []string{"'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'5874897-12-31'", "'0001-01-01'"}, ""},
	{"time", row.Time, []string{"'00:00'", "'24:00'", "'23:59:59.999999'"}, ""},
	{"timetz", row.Text, []string{"'12:34:56.7+05:30'"}, ""},
	{"timestamp", row.Timestamp, []string{"'2024-01-02 03:04:05.678901'", "'infinity'", "'-infinity'", "'0044-03-15 12:00 BC'", "'294276-12-31 23:59:59.999999'"}, "timestamp"},
	{"timestamptz", row.TimestampTZ, []string{"'2024-01-02 03:04:05.5+02'", "'infinity'", "'0044-03-15 12:00+00 BC'", "'294276-12-31 23:59:59.999999+00'"}, "timestamp"},
	{"interval", row.Text, []string{"'1 year 2 mons -3 days 04:05:06.7'", "'-178000000 years'", "'0'"}, ""},
	{"uuid", row.UUID, []string{"'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"}, ""},
	{"json", row.JSON, []string{`'{"b":1.10, "a":[null]}'`, "'null'"}, ""},
	{"jsonb", row.JSON, []string{`'{"b":1.10,"a":[12345678901234567890123]}'`}, ""},
	{"inet", row.Text, []string{"'10.1.2.3'", "'10.1.2.3/8'", "'::1'", "'::ffff:1.2.3.4'", "'::1.2.3.4/96'"}, ""},
	{"cidr", row.Text, []string{"'10.0.0.0/8'", "'2001:db8::/32'"}, ""},
	{"macaddr", row.Text, []string{"'08:00:2b:01:02:03'"}, ""},
	{"macaddr8", row.Text, []string{"'08:00:2b:01:02:03:04:05'"}, ""},
	{"bit(1)", row.Text, []string{"B'1'"}, ""},
	{"varbit", row.Text, []string{"B'0101'", "B''"}, ""},
	{"point", row.Text, []string{"'(1.5,-2)'"}, ""},
	{"box", row.Text, []string{"'(1,1),(0,0)'"}, ""},
	{"path", row.Text, []string{"'[(0,0),(1,1)]'"}, ""},
	{"circle", row.Text, []string{"'<(0,0),1>'"}, ""},
	{"tsvector", row.Text, []string{"'a:1 b:2'"}, ""},
	{"tsquery", row.Text, []string{"'a & b'"}, ""},
	{"pg_lsn", row.Text, []string{"'16/B374D848'"}, ""},
	{"jsonpath", row.Text, []string{"'$.a'"}, ""},
	{"int4range", row.Text, []string{"'[1,5)'", "'empty'", "'(,)'"}, ""},
	{"nummultirange", row.Text, []string{"'{[1.5,2],[7,8)}'"}, ""},
	{"regclass", row.Text, []string{"'pg_class'"}, ""},
	{"xid", row.Text, []string{"'4294967295'"}, ""},
	{"gtsvector", row.Text, nil, ""}, // has no binary form
	{"seg", row.Text, []string{"'1.5 .. 2'"}, ""},
	{"seg[]", row.JSON, []string{"'{1.5 .. 2,NULL}'"}, "to_json(%s)::text"},
	{"mood", row.Text, []string{"'sad'", "'très happy'"}, ""},
	{"pair", row.JSON, []string{"row(1,'x\"y')::pair", "row(null,null)::pair"}, "to_json(%s)::text"},
	{"hstore", row.JSON, []string{`'a=>1, b=>NULL'`}, "to_json(%s)::text"},
	{"cents", row.Numeric, []string{"12.34"}, ""},
	{"ids", row.JSON, []string{"'{1,2}'"}, "to_json(%s)::text"},
	{"int4[]", row.JSON, []string{"'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,NULL}}'", "'[5:6]={7,8}'", "'{{{1}},{{2}}}'"}, "to_json(%s)::text"},
	{"text[]", row.JSON, []string{`'{"a\"b","","NULL",NULL}'`}, "to_json(%s)::text"},
	{"numeric(10,3)[]", row.JSON, []string{"'{1.5,NaN,NULL}'"}, "to_json(%s)::text"},
	{"bool[]", row.JSON, []string{"'{t,f,NULL}'"}, "to_json(%s)::text"},
	{"float8[]", row.JSON, []string{"'{0.1,Infinity}'"}, "to_json(%s)::text"},
	{"timestamp[]", row.JSON, []string{"'{2024-01-02 03:04:05.600001,infinity}'"}, "to_json(%s)::text"},
	{"date[]", row.JSON, []string{"'{2024-01-02,infinity}'"}, "to_json(%s)::text"},
	{"uuid[]", row.JSON, []string{"'{6ba7b810-9dad-11d1-80b4-00c04fd430c8}'"}, "to_json(%s)::text"},
	{"jsonb[]", row.JSON, []string{`array['{"a": 1}'::jsonb, 'null', null]`}, "to_json(%s)::text"},
	{"mood[]", row.JSON, []string{"'{sad,NULL}'"}, "to_json(%s)::text"},
	{"interval[]", row.JSON, []string{"'{1 day,NULL}'"}, "to_json(%s)::text"},
	{"pair[]", row.JSON, []string{"array[row(1,'x')::pair, null]"}, "to_json(%s)::text"},
	{"inet[]", row.JSON, []string{"'{10.1.2.3}'"}, "to_json(%s)::text"},
	{"cents[]", row.JSON, []string{"'{12.34}'"}, "to_json(%s)::text"},
}

func everyType(t *testing.T) *world {
	w := newWorld(t)
	w.exec(`create extension citext; create extension hstore; create extension seg; create type mood as enum ('sad', 'très happy'); create type pair as (a int, "b c" text);
		create domain cents as numeric(10,2) check (value > 0); create domain amount as cents; create domain ids as int[]`)
	return w
}

func TestEveryTypeIsExact(t *testing.T) {
	w := everyType(t)
	for i, c := range typeCases {
		w.exec(fmt.Sprintf("create table t%d (n int primary key, v %s)", i, c.sqlType))
		for n, v := range c.values {
			w.exec(fmt.Sprintf("insert into t%d values (%d, %s)", i, n, v))
		}
		w.exec(fmt.Sprintf("insert into t%d values (%d, null)", i, len(c.values)))
	}
	out := w.mustSync(nil, "")
	for i, c := range typeCases {
		t.Run(c.sqlType, func(t *testing.T) {
			got := out.streams[fmt.Sprintf("public-t%d", i)]
			if got == nil || !got.ended {
				t.Fatal("the stream did not come")
			}
			if k := got.schema.Columns[1].Kind; k != c.kind {
				t.Errorf("kind %s, want %s", k, c.kind)
			}
			want := w.printed(i, c.print)
			if len(got.rows) != len(want) {
				t.Fatalf("%d rows, want %d", len(got.rows), len(want))
			}
			byKey := map[string]string{}
			for _, r := range got.rows {
				byKey[r[0]] = r[1]
			}
			for n, text := range want {
				if g := byKey[fmt.Sprint(n)]; !same(c.print, g, text) {
					t.Errorf("value %d is %.100q, the server prints %.100q", n, g, text)
				}
			}
		})
	}
}

// same compares our text with the server's, which has its own form for some kinds.
func same(form, got, want string) bool {
	switch form {
	case "float":
		g, _ := strconv.ParseFloat(got, 64)
		w, err := strconv.ParseFloat(want, 64)
		return err == nil && math.Float64bits(g) == math.Float64bits(w) || got == null && want == null
	case "timestamp":
		g, ok1 := row.ParseTimestamp([]byte(got))
		w, ok2 := row.ParseTimestamp([]byte(want))
		return ok1 && ok2 && g == w || got == null && want == null
	}
	return got == want
}

// printed asks the server for the texts of a table's values, by its types'
// own output functions, without any cast of ours.
func (w *world) printed(table int, form string) []string {
	w.t.Helper()
	expr := "v"
	if strings.Contains(form, "%s") {
		expr = fmt.Sprintf(form, "v")
	}
	results, err := w.conn.PgConn().Exec(context.Background(), fmt.Sprintf("set timezone = 'UTC'; select %s from t%d order by n", expr, table)).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, r := range results[1].Rows {
		if r[0] == nil {
			out = append(out, null)
		} else {
			out = append(out, string(r[0]))
		}
	}
	return out
}
