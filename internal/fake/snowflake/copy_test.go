package snowflake_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	sf "github.com/snowflakedb/gosnowflake/v2"

	"elt/internal/fake/snowflake"
)

// Every type goes in by COPY, through a table, and out through the driver.
func TestEveryTypeRoundTrip(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (i NUMBER(38,0), d NUMBER(38,37), f DOUBLE, b BOOLEAN, s VARCHAR, x BINARY, dt DATE, tm TIME, n TIMESTAMP_NTZ, l TIMESTAMP_LTZ, z TIMESTAMP_TZ, v VARIANT, o OBJECT, a ARRAY)",
		"CREATE STAGE st FILE_FORMAT=(TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"')", "ALTER SESSION SET TIMEZONE = 'UTC'")
	path := write(t, t.TempDir(), "a.csv", strings.Join([]string{
		`-99999999999999999999999999999999999999`, `0.1234567890123456789012345678901234567`, `2.5e-3`, `true`, `"q ""x"" \\ ü"`, `00FFab`,
		`0001-01-01`, `23:59:59.999999999`, `9999-12-31 23:59:59.999999999`, `1969-12-31 23:59:59.5`, `2024-03-31T02:30:00.000000001-11:30`, `"{""k"":12345678901234567890.5}"`, `"{""a"":1}"`, `"[1,""2""]"`}, ",")+"\n")
	exec(t, db, "PUT 'file://"+path+"' @st", "COPY INTO t FROM @st")
	want(t, srv, "SELECT * FROM t", []any{"-99999999999999999999999999999999999999", "0.1234567890123456789012345678901234567", "0.0025", "true", `q "x" \\ ü`, "00FFAB",
		"0001-01-01", "23:59:59.999999999", "9999-12-31 23:59:59.999999999", "1969-12-31 23:59:59.500000000 Z", "2024-03-31 02:30:00.000000001 -11:30",
		`{"k":12345678901234567890.5}`, `{"a":1}`, `[1,"2"]`})
	row := db.QueryRow("SELECT i, d, f, b, s, x, dt, n, l, z, v FROM t")
	var i, d, s, v string
	var f float64
	var b bool
	var x []byte
	var dt, n, l, z time.Time
	if err := row.Scan(&i, &d, &f, &b, &s, &x, &dt, &n, &l, &z, &v); err != nil {
		t.Fatal(err)
	}
	_, off := z.Zone()
	if i[0] != '-' || len(i) != 39 || f != 0.0025 || !b || x[2] != 0xab || dt.Year() != 1 || n.Nanosecond() != 999999999 || n.Year() != 9999 || off != -11*3600-1800 || z.Nanosecond() != 1 {
		t.Fatal(i, d, f, b, s, x, dt, n, l, z, v)
	}
	if !l.Equal(time.Date(1969, 12, 31, 23, 59, 59, 5e8, time.UTC)) || v != "{\n  \"k\": 12345678901234567890.5\n}" {
		t.Fatal(l, v)
	}
}

func TestCopyOptions(t *testing.T) {
	for name, c := range map[string]struct {
		file, format, more string
		rows               [][]any
		number             int // of the error
		says               string
	}{
		"defaults":                 {"1,a\n2,\\N\n3,\n", "TYPE=CSV", "", [][]any{{"1", "a"}, {"2", nil}, {"3", nil}}, 0, ""},
		"backslash by default":     {"1,a\\,b\\\\\n", "TYPE=CSV", "", [][]any{{"1", "a,b\\"}}, 0, ""},
		"no backslash":             {"1,a\\b\n", "TYPE=CSV ESCAPE_UNENCLOSED_FIELD=NONE", "", [][]any{{"1", "a\\b"}}, 0, ""},
		"empty and null":           {"1,\"\"\n2,\n", "TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"' NULL_IF=()", "", [][]any{{"1", ""}, {"2", nil}}, 0, ""},
		"empty is empty":           {"1,\n", "TYPE=CSV EMPTY_FIELD_AS_NULL=FALSE", "", [][]any{{"1", ""}}, 0, ""},
		"null_if hits quoted text": {"1,\"\\N\"\n", "TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"'", "", [][]any{{"1", nil}}, 0, ""},
		"lines in quotes":          {"1,\"a\r\nb\"\r\n2,c\r\n", "TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"'", "", [][]any{{"1", "a\r\nb"}, {"2", "c"}}, 0, ""},
		"other delimiters":         {"1|~a;2|~b;", "TYPE=CSV FIELD_DELIMITER='|~' RECORD_DELIMITER=';'", "", [][]any{{"1", "a"}, {"2", "b"}}, 0, ""},
		"skip header":              {"k,v\n1,a\n", "TYPE=CSV SKIP_HEADER=1", "", [][]any{{"1", "a"}}, 0, ""},
		"by name":                  {"V,nope,K\na,0,1\n", "TYPE=CSV PARSE_HEADER=TRUE", "MATCH_BY_COLUMN_NAME=CASE_INSENSITIVE", [][]any{{"1", "a"}}, 0, ""},
		"trim":                     {" 1 , a \n", "TYPE=CSV TRIM_SPACE=TRUE", "", [][]any{{"1", "a"}}, 0, ""},
		"no new line at the end":   {"1,a", "TYPE=CSV", "", [][]any{{"1", "a"}}, 0, ""},
		"bad number":               {"1,a\nx,b\n", "TYPE=CSV", "", nil, 100038, "Numeric value 'x' is not recognized\n  File 'st/a.csv', line 2, character 1\n  Row 2, column \"T\"[\"K\":1]"},
		"too long":                 {"1,abcdefghijk\n", "TYPE=CSV", "", nil, 100078, "character 3"},
		"truncate":                 {"1,abcdefghijk\n", "TYPE=CSV", "TRUNCATECOLUMNS=TRUE", [][]any{{"1", "abcdefghij"}}, 0, ""},
		"columns":                  {"1,a,b\n", "TYPE=CSV", "", nil, 100080, "Number of columns in file (3)"},
		"columns ignored":          {"1,a,b\n2\n", "TYPE=CSV ERROR_ON_COLUMN_COUNT_MISMATCH=FALSE", "", [][]any{{"1", "a"}, {"2", nil}}, 0, ""},
		"continue":                 {"1,a\nx,b\n3,c\n", "TYPE=CSV", "ON_ERROR=CONTINUE", [][]any{{"1", "a"}, {"3", "c"}}, 0, ""},
		"skip file":                {"1,a\nx,b\n3,c\n", "TYPE=CSV", "ON_ERROR=SKIP_FILE", nil, 0, ""},
		"garbage after a quote":    {"1,\"a\"b\n", "TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"'", "", nil, 100016, "instead of field delimiter"},
		"bad UTF-8":                {"1,a\xffb\n", "TYPE=CSV", "", nil, 100144, "Invalid UTF8"},
		"replaced UTF-8":           {"1,a\xffb\n", "TYPE=CSV REPLACE_INVALID_CHARACTERS=TRUE", "", [][]any{{"1", "a\uFFFDb"}}, 0, ""},
		"JSON by name":             {"{\"k\":1,\"V\":\"a\"}\n{\"k\":2,\"v\":null}\n", "TYPE=JSON", "MATCH_BY_COLUMN_NAME=CASE_INSENSITIVE", [][]any{{"1", "a"}, {"2", nil}}, 0, ""},
		"JSON into two columns":    {"{}\n", "TYPE=JSON", "", nil, 2019, "JSON file format can produce one and only one column"},
		"wrong compression":        {"1,a\n", "TYPE=CSV COMPRESSION=GZIP", "", nil, 100066, "GZIP"},
		"unknown option":           {"1,a\n", "TYPE=CSV NO_SUCH=1", "", nil, 1003, "NO_SUCH"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := snowflake.Start(t)
			db := open(t, config(srv))
			exec(t, db, "CREATE TABLE t (k INT, v VARCHAR(10))", "CREATE STAGE st")
			exec(t, db, "PUT 'file://"+write(t, t.TempDir(), "a.csv", c.file)+"' @st AUTO_COMPRESS=FALSE SOURCE_COMPRESSION=NONE")
			_, err := db.Exec("COPY INTO t FROM @st FILE_FORMAT=(" + c.format + ") " + c.more)
			if c.number == 0 && err != nil || number(err) != c.number || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v", err)
			}
			_, got, err := srv.Query("SELECT * FROM t ORDER BY k")
			if err != nil || !reflect.DeepEqual(got, c.rows) {
				t.Fatalf("got %q, want %q, %v", got, c.rows, err)
			}
		})
	}
}

func TestCopyHistoryPurgeAndTransforms(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	dir := t.TempDir()
	exec(t, db, "CREATE TABLE t (k INT, v VARCHAR)", "CREATE FILE FORMAT ff TYPE=JSON")
	path := write(t, dir, "a.json.gz", "{\"k\":1,\"v\":{\"x\":[1]}}\n{\"k\":2,\"v\":\"s\"}\n")
	exec(t, db, "PUT 'file://"+path+"' '@~/in' AUTO_COMPRESS=FALSE", "PUT 'file://"+path+"' @%t AUTO_COMPRESS=FALSE")
	const copyIt = `COPY INTO t (k, v) FROM (SELECT $1:"k"::INT, $1:v FROM @~/in) FILE_FORMAT=(FORMAT_NAME='ff')`
	exec(t, db, copyIt, copyIt) // the second finds it loaded
	want(t, srv, "SELECT k, v FROM t ORDER BY k", []any{"1", `{"x":[1]}`}, []any{"2", "s"})
	if got := rows(t, db, copyIt); got[0][0] != "Copy executed with 0 files processed." {
		t.Fatal(got)
	}
	exec(t, db, copyIt+" FORCE=TRUE PURGE=TRUE")
	want(t, srv, "SELECT COUNT(*) FROM t", []any{"4"})
	if got := rows(t, db, "LIST @~"); got != nil {
		t.Fatal(got)
	}
	if got := rows(t, db, "SELECT s.$1:k::INT, METADATA$FILENAME FROM @%t (FILE_FORMAT => ff) s WHERE $1:k > 1"); len(got) != 1 || got[0][0] != "2" || got[0][1] != "a.json.gz" {
		t.Fatal(got)
	}
	exec(t, db, `MERGE INTO t USING (SELECT $1:k::INT k, $1:v::VARCHAR v FROM @%t (FILE_FORMAT => 'ff') QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY METADATA$FILE_ROW_NUMBER DESC) = 1) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = 'm'`)
	want(t, srv, "SELECT DISTINCT v FROM t", []any{"m"})
	if _, err := db.Exec("COPY INTO t FROM @%t FILES=('nope.csv')"); number(err) != 91016 {
		t.Fatal(err)
	}
	if _, err := db.Exec("COPY INTO t FROM @%t FILES=('x'" + strings.Repeat(",'x'", 1000) + ")"); err == nil {
		t.Fatal("1001 files were taken")
	}
}

func TestBindings(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT, b VARCHAR, c DOUBLE, d BOOLEAN, e TIMESTAMP_NTZ)")
	at := time.Date(2024, 2, 3, 4, 5, 6, 789, time.UTC)
	if _, err := db.Exec("INSERT INTO t VALUES (?, ?, ?, ?, ?)", 1, "it's", 1.5, true, at); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO t (a, b) VALUES (?, ?)", 2, nil); err != nil {
		t.Fatal(err)
	}
	ints, err := sf.Array(&[]int{10, 11})
	if err != nil {
		t.Fatal(err)
	}
	texts, err := sf.Array(&[]string{"x", "y"})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := db.Exec("INSERT INTO t (a, b) VALUES (?, ?)", ints, texts); err != nil {
		t.Fatal(err)
	} else if n, _ := res.RowsAffected(); n != 2 {
		t.Fatal(n)
	}
	want(t, srv, "SELECT * FROM t ORDER BY a", []any{"1", "it's", "1.5", "true", "2024-02-03 04:05:06.000000789"}, []any{"2", nil, nil, nil, nil}, []any{"10", "x", nil, nil, nil}, []any{"11", "y", nil, nil, nil})
	var s string
	if err := db.QueryRow("SELECT b FROM t WHERE a = ?", 11).Scan(&s); err != nil || s != "y" {
		t.Fatal(s, err)
	}
}

// Beyond a number of values the driver stages an array binding as CSV itself.
func TestArrayBindingThroughAStage(t *testing.T) {
	srv := snowflake.Start(t, snowflake.WithAccountParameter("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "10"))
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT, b VARCHAR)")
	var n []int
	var s []string
	for i := range 500 {
		n, s = append(n, i), append(s, fmt.Sprintf("a \"%d\", \n", i))
	}
	ints, _ := sf.Array(&n)
	texts, _ := sf.Array(&s)
	if _, err := db.Exec("INSERT INTO t (a, b) VALUES (?, ?)", ints, texts); err != nil {
		t.Fatal(err)
	}
	want(t, srv, "SELECT COUNT(*), SUM(a), MAX(LENGTH(b)) FROM t", []any{"500", "124750", "10"})
	staged := false
	for _, st := range srv.Statements() {
		staged = staged || st.Kind == "PUT"
	}
	if !staged {
		t.Fatal("the driver staged nothing")
	}
}

func TestSeveralStatementsAndTags(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	if _, err := db.Exec("SELECT 1; SELECT 2"); number(err) != 8 {
		t.Fatal(err)
	}
	ctx := sf.WithMultiStatement(context.Background(), 0)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	want(t, srv, "SELECT SUM(a) FROM t", []any{"3"})
	exec(t, db, "ALTER SESSION SET QUERY_TAG = 'one'", "SELECT 3")
	if _, err := db.ExecContext(sf.WithQueryTag(context.Background(), "two"), "SELECT 4"); err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{}
	for _, s := range srv.Statements() {
		tags[s.SQL] = s.QueryTag
	}
	if tags["SELECT 3"] != "one" || tags["SELECT 4"] != "two" {
		t.Fatal(tags)
	}
}

func TestChunks(t *testing.T) {
	srv := snowflake.Start(t, snowflake.WithChunkRows(7))
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT, b VARCHAR)")
	var v []string
	for i := range 100 {
		v = append(v, fmt.Sprintf("(%d,'x\"]],%d')", i, i))
	}
	exec(t, db, "INSERT INTO t VALUES "+strings.Join(v, ","))
	got := rows(t, db, "SELECT a, b FROM t ORDER BY a")
	if len(got) != 100 || got[99][1] != `x"]],99` {
		t.Fatal(len(got))
	}
}

// A million rows like TPC-H's lineitem; run with -run Million -v to see the figures.
func TestCopyMillionRows(t *testing.T) {
	if os.Getenv("ELT_TEST_LARGE") == "" {
		t.Skip("loads a million rows; set ELT_TEST_LARGE=1")
	}
	const n = 1_000_000
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE lineitem (orderkey NUMBER(38,0), partkey NUMBER(38,0), suppkey NUMBER(38,0), linenumber NUMBER(38,0), quantity NUMBER(15,2), extendedprice NUMBER(15,2), discount NUMBER(15,2), tax NUMBER(15,2), returnflag VARCHAR, linestatus VARCHAR, shipdate DATE, commitdate DATE, receiptdate DATE, shipinstruct VARCHAR, shipmode VARCHAR, comment VARCHAR)",
		"CREATE TEMPORARY TABLE s LIKE lineitem", "CREATE TEMPORARY STAGE st")
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "l.csv.zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, _ := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	w := bufio.NewWriterSize(z, 1<<20)
	for i := range n {
		fmt.Fprintf(w, "%d,%d,%d,%d,%d.00,%d.%02d,0.0%d,0.02,N,O,1996-03-13,1996-02-12,1996-03-22,\"DELIVER IN PERSON\",TRUCK,\"egular courts above the %d\"\n", i/4, i*7%200000, i%10000, i%7, i%50, i%100000, i%100, i%10, i)
	}
	w.Flush()
	z.Close()
	f.Close()
	start := time.Now()
	lap := func(what string) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%-8s %6.2fs  heap %d MB", what, time.Since(start).Seconds(), m.HeapAlloc>>20)
		start = time.Now()
	}
	exec(t, db, "PUT 'file://"+f.Name()+"' @st AUTO_COMPRESS=FALSE SOURCE_COMPRESSION=ZSTD")
	lap("PUT")
	exec(t, db, "COPY INTO s FROM @st FILE_FORMAT=(TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"')")
	lap("COPY")
	exec(t, db, "MERGE INTO lineitem d USING (SELECT * FROM s QUALIFY ROW_NUMBER() OVER (PARTITION BY orderkey, linenumber ORDER BY shipdate DESC) = 1) s ON d.orderkey = s.orderkey AND d.linenumber = s.linenumber WHEN MATCHED THEN UPDATE SET comment = s.comment WHEN NOT MATCHED THEN INSERT (orderkey, linenumber, comment) VALUES (s.orderkey, s.linenumber, s.comment)")
	lap("MERGE")
	want(t, srv, "SELECT COUNT(*) FROM lineitem", []any{fmt.Sprint(n)})
}
