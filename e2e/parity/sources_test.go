package parity

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"elt/internal/pgtest"
)

// source is a kind of tap with its settings.
type source struct {
	name   string
	open   func(t *testing.T) reading
	tables bool // for destinations that are tables only
}

// reading is a source that is there: the settings and the metadata are YAML.
type reading struct {
	tap, config, metadata string
	change                func(t *testing.T)
}

func sources() []source {
	var out []source
	for _, infer := range []string{"false", "true"} {
		out = append(out,
			source{name: "csv, infer " + infer, open: func(t *testing.T) reading { return fileSource(t, "tap-csv", infer, csvFiles()) }},
			source{name: "jsonl, infer " + infer, open: func(t *testing.T) reading { return fileSource(t, "tap-jsonl", infer, jsonlFiles()) }})
	}
	out = append(out, source{name: "parquet", open: parquetSource})
	out = append(out, httpSources()...)
	for _, dialect := range []string{"meltanolabs", "transferwise"} {
		for _, method := range []string{"FULL_TABLE", "INCREMENTAL"} {
			out = append(out, source{name: "postgres, " + dialect + ", " + method, open: func(t *testing.T) reading { return postgresSource(t, dialect, method) }},
				source{name: "mysql, " + dialect + ", " + method, open: func(t *testing.T) reading { return mysqlSource(t, dialect, method) }})
		}
		out = append(out, source{"mysql, " + dialect + ", LOG_BASED", func(t *testing.T) reading { return mysqlSource(t, dialect, "LOG_BASED") }, true})
		out = append(out, source{"postgres, " + dialect + ", LOG_BASED", func(t *testing.T) reading { return logSource(t, dialect) }, dialect == "meltanolabs"})
	}
	for _, method := range []string{"FULL_TABLE", "INCREMENTAL"} {
		out = append(out, source{name: "sqlite, " + method, open: func(t *testing.T) reading { return sqliteSource(t, method) }})
	}
	return append(out, source{name: "jdbc", open: func(t *testing.T) reading { return postgresSource(t, jdbc, "INCREMENTAL") }})
}

// jdbc stands for the tables of PostgreSQL as tap-jdbc reads them.
const jdbc = "jdbc"

// jdbcLogin is the settings of tap-jdbc, with the driver of Debian's package.
func jdbcLogin(t *testing.T, address string) string {
	t.Helper()
	jar := "/usr/share/java/postgresql.jar"
	_, noFile := os.Stat(jar)
	_, noJava := exec.LookPath("java")
	if err := errors.Join(noFile, noJava); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("scripts/need jdbc should have installed it: %v", err)
		}
		t.Skipf("tap-jdbc cannot be tried here: %v", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{driver_jars: [%s], url: 'jdbc:postgresql://%s%s', user: %s, password: x, schemas: [src]}", jar, u.Host, u.Path, u.User.Username())
}

// file is an entity's file, and what is added to it later.
type file struct {
	name, keys, content, more string
}

func fileSource(t *testing.T, tap, infer string, list []file) reading {
	dir := t.TempDir()
	var entries []string
	for _, f := range list {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
		entity, _, _ := strings.Cut(f.name, ".")
		entries = append(entries, fmt.Sprintf("{entity: %s, path: %q, keys: [%s]}", entity, path, f.keys))
	}
	return reading{
		tap: tap, config: fmt.Sprintf("{infer: %s, files: [%s]}", infer, strings.Join(entries, ", ")), metadata: "{}",
		change: func(t *testing.T) {
			for _, f := range list {
				out, err := os.OpenFile(filepath.Join(dir, f.name), os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := out.WriteString(f.more); err != nil {
					t.Fatal(err)
				}
				if err := out.Close(); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

// parquetSource has a column per kind; a file is added in which one is wider.
func parquetSource(t *testing.T) reading {
	t.Helper()
	dir := t.TempDir()
	type old struct {
		ID   int64      `parquet:"id"`
		Text *string    `parquet:"text,optional"`
		Cost int64      `parquet:"cost,decimal(2:18)"`
		At   time.Time  `parquet:"at,timestamp(microsecond)"`
		Fine *time.Time `parquet:"fine,optional,timestamp(nanosecond)"`
		Day  int32      `parquet:"day,date"`
		UUID uuid.UUID  `parquet:"uuid,uuid"`
		Raw  []byte     `parquet:"raw"`
		Real float64    `parquet:"real"`
		Flag bool       `parquet:"flag"`
	}
	text, at := "é \"\n", time.Date(2024, 2, 29, 12, 34, 56, 789012345, time.UTC)
	rows := []old{{1, &text, -110, at, &at, -719162, uuid.Max, []byte{0, 255}, 0.1, true}, {ID: 9007199254740993}}
	if err := parquet.WriteFile(filepath.Join(dir, "a.parquet"), rows); err != nil {
		t.Fatal(err)
	}
	return reading{
		tap: "tap-parquet", config: fmt.Sprintf("{files: [{entity: rows, path: %q, keys: [id]}]}", dir), metadata: "{}",
		change: func(t *testing.T) {
			type wider struct {
				ID   int64   `parquet:"id"`
				Cost string  `parquet:"cost"`
				More float32 `parquet:"more"`
			}
			if err := parquet.WriteFile(filepath.Join(dir, "b.parquet"), []wider{{1, "a text", 0.5}, {3, "", 0}}); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// late is a file whose last value does not fit what the sample said.
func late(line func(n int) string, last string) string {
	var b strings.Builder
	for n := range 6000 {
		b.WriteString(line(n))
	}
	return b.String() + last
}

func csvFiles() []file {
	return []file{
		{"orders.csv", "id", `id,name,total,big,placed,at,paid,note
1,Ada,12.50,12345678901234567890.123,2024-02-29,2024-02-29T12:34:56.789+02:00,true,
2,"Łukasz ""the"" O'Neil",0.00,,,,false,""
3,"two
lines, a comma and 😀",-99999999.99,0.000000001,0001-01-01,1999-12-31T23:59:59Z,,\N
-0,"	tab",1e3,-1,9999-12-31,0001-01-01T00:00:00Z,true,"NULL"
`, "4,new,1.005,99999999999999999999,2030-01-01,2030-01-01T00:00:00.000001Z,true,x\n1,Ada again,12.51,1,2024-03-01,2024-03-01T00:00:00Z,false,changed\n"},
		{"keyless.csv", "", "a,b\n1,x\n1,x\n,\n2,\"\"\n", "1,x\n3.5,late\n"},
		{"composite.csv", "'a', 'b'", "a,b,v\n0,x,1\n0,y,2\n1,x,3\n", "0,x,9\n2,z,4\n"},
		{"empty.csv", "id", "id,v\n", ""},
		{"late.csv", "id", "id,v\n" + late(func(n int) string { return fmt.Sprintf("%d,%d\n", n, n) }, "6000,x\n6001,2024-01-01\n"), "6002,7\n"},
	}
}

func jsonlFiles() []file {
	return []file{
		{"orders.jsonl", "id", `{"id":1,"t":"","n":12.50,"big":12345678901234567890.123456789,"d":"2024-02-29","at":"2024-02-29T12:34:56.789+02:00","b":true,"o":{"x":{"y":1.10,"z":[1,null,"\u00e9"]}},"l":["a",1,{}],"u":1}
{"id":2,"t":"Łukasz \"the\" O'Neil \ud83d\ude00\t\n","n":null,"big":-1e30,"d":"0001-01-01","at":"9999-12-31T23:59:59Z","b":false,"o":{},"l":[],"u":"1"}
{"id":3,"t":null,"n":0,"big":1e-9}
{"id":9007199254740993,"t":"a\u0000b \/ \\","n":-0.0,"big":18446744073709551616,"d":"9999-12-31","at":"2024-01-01 00:00:00","o":{"x":null,"n\u0000":["\u0000","\\u0000"]},"l":null,"u":true}
`, `{"id":1,"t":"changed","more":"a new property"}
{"id":5,"n":"a text where numbers were"}
`},
		{"keyless.jsonl", "", "{\"a\":1}\n{\"a\":1}\n{}\n{\"b\":\"\"}\n", "{\"a\":1,\"b\":null}\n"},
		{"composite.jsonl", "'a', 'b'", "{\"a\":0,\"b\":\"\",\"v\":{\"k\":1}}\n{\"a\":0,\"b\":\"x\",\"v\":[]}\n", "{\"a\":0,\"b\":\"\",\"v\":null}\n"},
		{"late.jsonl", "id", late(func(n int) string { return fmt.Sprintf("{\"id\":%d,\"v\":%d}\n", n, n) }, "{\"id\":6000,\"v\":1.5,\"w\":true}\n{\"id\":6001,\"v\":{\"x\":1}}\n"), "{\"id\":6002,\"v\":7}\n"},
	}
}

// kinds are a column per type, each with its edge values.
var kinds = [][]string{
	{"bool", "true", "false"},
	{"int2", "-32768", "32767"},
	{"int4", "-2147483648", "2147483647"},
	{"int8", "-9223372036854775808", "9223372036854775807", "9007199254740993"},
	{"numeric", "'NaN'", "'Infinity'", "'-Infinity'", "0.000", "-1.10", "1e-20", "12345678901234567890.123456789012345678901", "1e300"},
	{"numeric(12,2)", "1.1", "-9999999999.99", "'NaN'"},
	{"numeric(38,0)", "99999999999999999999999999999999999999"},
	{"float4", "0.1", "'NaN'", "'-Infinity'", "3.4e38", "16777216"},
	{"float8", "0.1", "'NaN'", "'Infinity'", "1e-300", "5e-324", "9007199254740993"},
	{"text", "''", "'NULL'", `E'a\tb\nc\\"\u00e9\U0001F600\r'`, `'\N'`, "repeat('x', 70000)"},
	{"varchar(7)", "'abc'", "'éééé'", "''"},
	{"bpchar(5)", "'ab'"},
	{"bytea", `'\x'`, `'\x00ff10'`},
	{"date", "'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'5874897-12-31'", "'0001-01-01'"},
	{"time", "'00:00'", "'24:00'", "'23:59:59.999999'"},
	{"timetz", "'12:34:56.7+05:30'"},
	{"timestamp", "'2024-01-02 03:04:05.678901'", "'infinity'", "'-infinity'", "'0044-03-15 12:00 BC'", "'294276-12-31 23:59:59.999999'", "'0001-01-01'"},
	{"timestamptz", "'2024-01-02 03:04:05.5+02'", "'infinity'", "'-infinity'", "'0044-03-15 12:00+00 BC'", "'294276-12-31 23:59:59.999999+00'"},
	{"interval", "'1 year 2 mons -3 days 04:05:06.7'", "'0'"},
	{"uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"},
	{"json", `'{"b":1.10, "a":[null], "n":12345678901234567890123, "e":"\u00e9\"\\"}'`, "'null'", `'"a string"'`, "'7'", "E'{\"line\":\\n1}'", `'["\u0000", "\\u0000"]'`},
	{"jsonb", `'{"b":1.10,"a":[12345678901234567890123]}'`, "'null'", "'[]'"},
	{"inet", "'10.1.2.3'", "'::1'"},
	{"int4[]", "'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,NULL}}'"},
	{"text[]", `'{"a\"b","","NULL",NULL}'`},
	{"numeric[]", "'{1.5,NaN,NULL}'"},
	{"timestamptz[]", "'{2024-01-02 03:04:05.600001Z,infinity}'"},
	{"int4range", "'[1,5)'", "'empty'"},
	{"mood", "'sad'", "'très happy'"},
}

// kindsTable is a table with a row of NULLs and one row per edge value.
func kindsTable() string {
	var columns []string
	most := 0
	for i, k := range kinds {
		columns = append(columns, fmt.Sprintf("k%02d %s", i, k[0]))
		most = max(most, len(k)-1)
	}
	sql := "create table src.kinds (id int primary key, seq int8 not null, " + strings.Join(columns, ", ") + ");\ninsert into src.kinds (id, seq) values (0, 0);\n"
	for n := range most {
		values := []string{fmt.Sprint(n + 1), fmt.Sprint(n + 1)}
		for _, k := range kinds {
			if n+1 < len(k) {
				values = append(values, "("+k[n+1]+")::"+k[0])
			} else {
				values = append(values, "null")
			}
		}
		sql += "insert into src.kinds values (" + strings.Join(values, ", ") + ");\n"
	}
	return sql
}

const tables = `
create table src.keyless (seq int8, t text);
insert into src.keyless values (1, 'x'), (1, 'x'), (2, null), (null, ''), (null, '');
create table src.composite (a text, b int, seq numeric not null, v jsonb, primary key (a, b));
insert into src.composite values ('', 0, 1.0, '{"a":1}'), ('', 1, 1.00, null), ('x', 0, 2.5, '[]');
create table src.empty (id int primary key, seq timestamptz, n numeric(9,4));
create table src."Odd Näme" ("Sp ace" text primary key, "select" int, seq timestamp not null, "ünï-😀" date);
insert into src."Odd Näme" values ('a', 1, '2024-01-01', '2024-01-01'), ('', 2, '0044-03-15 12:00 BC', 'infinity');
create view src.totals as select t, seq, count(*) as n, sum(seq) as total from src.keyless group by t, seq;
create table src.many (id int primary key, seq int8 not null, v text);
insert into src.many select n, n / 3, 'v' || n from generate_series(1, 25000) n;
`

const changes = `
insert into src.kinds (id, seq, k04, k09) values (100, 100, 7, 'new');
update src.kinds set seq = 101, k09 = 'changed' where id = 1;
insert into src.keyless values (2, 'y'), (3, 'z');
insert into src.composite values ('', 2, 9, '{"later":true}');
update src.composite set seq = 3, v = '"s"' where a = 'x';
insert into src.empty values (1, '2024-05-06 07:08:09+02', 1.5);
alter table src."Odd Näme" add column note text;
insert into src."Odd Näme" values ('b', null, '2024-06-01', null, 'n');
insert into src.many select n, n / 3, 'v' || n from generate_series(25001, 25010) n;
`

// logSource is the same tables, whose log is read by a slot of each project.
func logSource(t *testing.T, dialect string) reading {
	address := pgtest.URL(t)
	execute(t, address, "create schema src; create type mood as enum ('sad', 'très happy');"+kindsTable()+tables+
		"alter table src.keyless replica identity full; alter table src.kinds alter k09 set storage external;")
	return reading{
		tap: "tap-postgres", metadata: "{'*': {replication-method: LOG_BASED}, 'src-totals': {replication-method: FULL_TABLE}}",
		config: login(t, address) + ", password: x, filter_schemas: [src], replication_slot_name: $PARITY_SLOT, dialect: " + dialect + "}",
		change: func(t *testing.T) { execute(t, address, changes+logged) },
	}
}

const logged = `
update src.kinds set seq = seq + 1000;
update src.kinds set id = id + 1000 where id in (2, 5, 6);
delete from src.many where id % 10 = 0;
update src.many set id = -id where id % 11 = 0;
insert into src.many values (10, 0, 'again');
truncate src.composite;
insert into src.composite values ('new', 1, 1.50, '{}');
delete from src.keyless where t = 'z';
`

func execute(t *testing.T, address, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

func postgresSource(t *testing.T, dialect, method string) reading {
	address := pgtest.URL(t)
	exec := func(t *testing.T, sql string) {
		t.Helper()
		execute(t, address, sql)
	}
	exec(t, "create schema src; create type mood as enum ('sad', 'très happy');"+kindsTable()+tables)
	metadata := "{}"
	if method == "INCREMENTAL" {
		metadata = "{'*': {replication-method: INCREMENTAL, replication-key: seq}}"
	}
	if dialect == jdbc {
		return reading{
			tap: "tap-jdbc", metadata: metadata, config: jdbcLogin(t, address),
			change: func(t *testing.T) { exec(t, changes) },
		}
	}
	return reading{
		tap: "tap-postgres", metadata: metadata,
		config: login(t, address) + ", password: x, filter_schemas: [src], dialect: " + dialect + "}",
		change: func(t *testing.T) { exec(t, changes) },
	}
}
