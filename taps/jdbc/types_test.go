package jdbc_test

import (
	"fmt"
	"strings"
	"testing"

	"elt/internal/row"
)

// value is a column's type, a value in SQL, and what comes of it.
type value struct {
	sqlType, sql string
	kind         row.Kind
	text         string
}

// round makes a table with a column per value, and a second row of NULLs.
func round(t *testing.T, d database, stream string, values []value) {
	t.Helper()
	var columns, row1 []string
	for i, v := range values {
		columns = append(columns, fmt.Sprintf("c%d %s", i, v.sqlType))
		row1 = append(row1, v.sql)
		if strings.HasPrefix(v.sqlType, "timestamp") && d.driver == "mariadb" {
			columns[i] += " null"
		}
	}
	nulls := strings.TrimSuffix(strings.Repeat("null, ", len(values)), ", ")
	d.exec(t, fmt.Sprintf("create table v (id int primary key, %s);; insert into v values (1, %s);; insert into v values (2, %s)",
		strings.Join(columns, ", "), strings.Join(row1, ", "), nulls))
	cfg := d.settings(t, map[string]any{"tables": []string{"v"}})
	c := catalog(t, cfg)
	if len(c.Streams) != 1 || c.Streams[0].ID() != stream {
		t.Fatalf("discovered %v", c.Streams)
	}
	out := mustSync(t, cfg, c, "")
	got := out.streams[stream]
	if len(got.rows) != 2 {
		t.Fatalf("%d rows\n%s", len(got.rows), out.log.Bytes())
	}
	for i, v := range values {
		name := got.schema.Columns[i+1]
		if name.Kind != v.kind || !name.Nullable {
			t.Errorf("%s: kind %s, nullable %v; want %s", v.sqlType, name.Kind, name.Nullable, v.kind)
		}
		if got.rows[0][i+1] != v.text {
			t.Errorf("%s %.60s: got %.200q, want %q", v.sqlType, v.sql, got.rows[0][i+1], v.text)
		}
		if got.rows[1][i+1] != null {
			t.Errorf("%s: NULL came as %q", v.sqlType, got.rows[1][i+1])
		}
		if c.Streams[0].Property(name.Name) == nil {
			t.Errorf("%s: not in the catalog", name.Name)
		}
	}
	// Discovery and reading see the same kinds, but for MariaDB's driver, which
	// calls tinyint(1) and bit(n) both BIT, and what it calls them in a result.
	found := out.streams[stream].schema
	for _, col := range found.Columns {
		if p := string(c.Streams[0].Property(col.Name)); !strings.Contains(p, fmt.Sprintf(`"x-elt-kind":"%s"`, col.Kind)) && col.Kind != row.Text && c.Streams[0].Meta(col.Name)["sql-datatype"] != "BIT" {
			t.Errorf("column %s is %s, but discovery says %s (%v)", col.Name, col.Kind, p, c.Streams[0].Meta(col.Name)["sql-datatype"])
		}
	}
}

func TestTypesOfHSQLDB(t *testing.T) {
	long := strings.Repeat("ä", 40000)
	round(t, hsqldb(t), "PUBLIC-V", []value{
		{"boolean", "true", row.Bool, "true"},
		{"tinyint", "-128", row.Int64, "-128"},
		{"smallint", "32767", row.Int64, "32767"},
		{"integer", "-2147483648", row.Int64, "-2147483648"},
		{"bigint", "9223372036854775807", row.Int64, "9223372036854775807"},
		{"numeric(38,9)", "12345678901234567890123456789.123456789", row.Numeric, "12345678901234567890123456789.123456789"},
		{"decimal(12,2)", "-0.10", row.Numeric, "-0.10"},
		{"decimal(60,0)", "123456789012345678901234567890123456789012345678901234567890", row.Numeric, "123456789012345678901234567890123456789012345678901234567890"},
		{"double", "0.1e0", row.Float64, "0.1"},
		{"double", "1.7976931348623157e308", row.Float64, "1.7976931348623157e+308"},
		{"varchar(20)", "'Łukasz 😀'", row.Text, "Łukasz 😀"},
		{"char(4)", "'ab'", row.Text, "ab  "},
		{"varchar(20)", "''", row.Text, ""},
		{"clob", "'" + long + "'", row.Text, long},
		{"blob", "x'00ff10'", row.Bytes, `\x00ff10`},
		{"varbinary(10)", "x''", row.Bytes, `\x`},
		{"date", "date '2024-02-29'", row.Date, "2024-02-29"},
		{"date", "date '0001-01-01'", row.Date, "0001-01-01"},
		{"date", "date '1582-10-04'", row.Date, "1582-10-04"},
		{"time(6)", "time '23:59:59.123456'", row.Time, "23:59:59.123456"},
		{"timestamp", "timestamp '2024-03-31 02:30:00.123456'", row.Timestamp, "2024-03-31T02:30:00.123456"},
		{"timestamp(9)", "timestamp '2024-03-31 02:30:00.123456789'", row.Timestamp, "2024-03-31T02:30:00.123456789"},
		{"timestamp", "timestamp '0001-01-01 00:00:00'", row.Timestamp, "0001-01-01T00:00:00"},
		{"timestamp with time zone", "timestamp '2024-03-31 02:30:00+05:30'", row.TimestampTZ, "2024-03-30T21:00:00+00:00"},
		{"uuid", "cast('6ba7b810-9dad-11d1-80b4-00c04fd430c8' as uuid)", row.UUID, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"integer array", "array[1, null, -3]", row.JSON, "[1,null,-3]"},
		{"varchar(9) array", `array['a"', '\c']`, row.JSON, `["a\"","\\c"]`},
		{"interval day to second", "interval '1 02:03:04' day to second", row.Text, "1 02:03:04.000000"},
	})
}

func TestTypesOfPostgreSQL(t *testing.T) {
	round(t, postgresql(t), "public-v", []value{
		{"bool", "false", row.Bool, "false"},
		{"int2", "-32768", row.Int64, "-32768"},
		{"int4", "2147483647", row.Int64, "2147483647"},
		{"int8", "-9223372036854775808", row.Int64, "-9223372036854775808"},
		{"numeric", "1234567890123456789012345678901234567890.000100", row.Numeric, "1234567890123456789012345678901234567890.000100"},
		{"numeric", "'NaN'", row.Numeric, "NaN"},
		{"numeric", "'-Infinity'", row.Numeric, "-Infinity"},
		{"numeric(12,2)", "1.1", row.Numeric, "1.10"},
		{"float4", "0.1", row.Float64, "0.1"},
		{"float8", "'-Infinity'", row.Float64, "-Infinity"},
		{"text", `E'a\tb\nc\\"é😀'`, row.Text, "a\tb\nc\\\"é😀"},
		{"bytea", `'\x00ff'`, row.Bytes, `\x00ff`},
		{"date", "'0044-03-15 BC'", row.Date, "0044-03-15 BC"},
		{"date", "'infinity'", row.Date, "infinity"},
		{"date", "'5874897-12-31'", row.Date, "5874897-12-31"},
		{"time", "'24:00'", row.Time, "24:00:00"},
		{"timetz", "'12:34:56.7+05:30'", row.Text, "12:34:56.7+05:30"},
		{"timestamp", "'2024-03-31 02:30:00.000001'", row.Timestamp, "2024-03-31T02:30:00.000001"},
		{"timestamp", "'infinity'", row.Timestamp, "infinity"},
		{"timestamptz", "'2024-03-31 02:30:00.5+02'", row.TimestampTZ, "2024-03-31T00:30:00.500000+00:00"},
		{"timestamptz", "'-infinity'", row.TimestampTZ, "-infinity"},
		{"uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", row.UUID, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"json", `'{"b":1.10, "n":12345678901234567890123}'`, row.JSON, `{"b":1.10, "n":12345678901234567890123}`},
		{"jsonb", "'[1]'", row.JSON, "[1]"},
		{"int4[]", "'{1,NULL,-3}'", row.JSON, "[1,null,-3]"},
		{"text[]", `'{"a\"b","",NULL}'`, row.JSON, `["a\"b","",null]`},
		{"numeric[]", "'{1.50,12345678901234567890.1}'", row.JSON, "[1.50,12345678901234567890.1]"},
		{"numeric[]", "'{1.50,NaN,NULL}'", row.JSON, `"{1.50,NaN,NULL}"`},
		{"timestamptz[]", "'{2024-01-02 03:04:05.6+02}'", row.JSON, `["2024-01-02T01:04:05.600Z"]`},
		{"bit(3)", "B'101'", row.Text, "101"},
		{"money", "12.5", row.Text, "$12.50"},
		{"inet", "'10.1.2.3'", row.Text, "10.1.2.3"},
		{"xml", "'<a>é</a>'", row.Text, "<a>é</a>"},
		{"interval", "'1 day'", row.Text, "1 day"},
	})
}

func TestTypesOfMariaDB(t *testing.T) {
	d := mariadb(t)
	_, schema, _ := strings.Cut(strings.TrimPrefix(d.url, "jdbc:mariadb://"), "/")
	round(t, d, schema+"-v", []value{
		{"bool", "true", row.Bool, "true"},
		{"tinyint", "-128", row.Int64, "-128"},
		{"tinyint unsigned", "255", row.Int64, "255"},
		{"smallint unsigned", "65535", row.Int64, "65535"},
		{"int", "-2147483648", row.Int64, "-2147483648"},
		{"int unsigned", "4294967295", row.Int64, "4294967295"},
		{"bigint", "-9223372036854775808", row.Int64, "-9223372036854775808"},
		{"bigint unsigned", "18446744073709551615", row.Numeric, "18446744073709551615"},
		{"decimal(65,30)", "12345678901234567890123456789012345.123456789012345678901234567890", row.Numeric, "12345678901234567890123456789012345.123456789012345678901234567890"},
		{"float", "0.1", row.Float64, "0.1"},
		{"double", "0.1", row.Float64, "0.1"},
		{"varchar(20)", "'Łukasz 😀'", row.Text, "Łukasz 😀"},
		{"longtext", "repeat('é', 100000)", row.Text, strings.Repeat("é", 100000)},
		{"blob", "x'00ff'", row.Bytes, `\x00ff`},
		{"varbinary(9)", "''", row.Bytes, `\x`},
		{"date", "'2024-02-29'", row.Date, "2024-02-29"},
		{"datetime(6)", "'2024-03-31 02:30:00.123456'", row.Timestamp, "2024-03-31T02:30:00.123456"},
		{"timestamp(3)", "'2024-03-31 02:30:00.123'", row.Timestamp, "2024-03-31T02:30:00.123000"},
		{"time(6)", "'12:34:56.000001'", row.Time, "12:34:56.000001"},
		{"time", "'-838:59:59'", row.Text, "-838:59:59"},
		{"year", "2024", row.Int64, "2024"},
		{"bit(1)", "b'1'", row.Bool, "true"},
		{"bit(9)", "b'100000001'", row.Bytes, `\x0101`},
		{"enum('a','b')", "'b'", row.Text, "b"},
		{"json", `'{"a": 1.10}'`, row.Text, `{"a": 1.10}`},
		{"uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", row.Text, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
	})
}
