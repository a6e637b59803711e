package snowflake_test

import (
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"elt/internal/fake/snowflake"
)

func TestMain(m *testing.M) {
	os.Setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
	sf.GetLogger().SetLogLevel("off")
	os.Exit(m.Run())
}

func config(srv *snowflake.Server) *sf.Config {
	return &sf.Config{Account: snowflake.Account, User: snowflake.UserName, Password: snowflake.Password, Database: snowflake.Database, Schema: "PUBLIC",
		Warehouse: snowflake.Warehouse, Role: snowflake.Role, Protocol: "http", Host: srv.Host(), Port: srv.PortNumber(), MaxRetryCount: 3, DisableOCSPChecks: true}
}

// open gives a pool of one connection: one session.
func open(t testing.TB, cfg *sf.Config) *sql.DB {
	t.Helper()
	db := sql.OpenDB(sf.NewConnector(sf.SnowflakeDriver{}, *cfg))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// number is the Snowflake number of an error.
func number(err error) int {
	var e *sf.SnowflakeError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// rows reads everything a query gives, as text.
func rows(t testing.TB, db *sql.DB, q string) [][]string {
	t.Helper()
	r, err := db.Query(q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer r.Close()
	names, _ := r.Columns()
	var out [][]string
	for r.Next() {
		cells := make([]sql.NullString, len(names))
		ptrs := make([]any, len(names))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		if err := r.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(names))
		for i, c := range cells {
			row[i] = "NULL"
			if c.Valid {
				row[i] = c.String
			}
		}
		out = append(out, row)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func want(t testing.TB, srv *snowflake.Server, q string, expected ...[]any) {
	t.Helper()
	_, got, err := srv.Query(q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	if !reflect.DeepEqual(got, expected) {
		t.Fatalf("%s\n got %v\nwant %v", q, got, expected)
	}
}

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if strings.HasSuffix(name, ".gz") {
		z := gzip.NewWriter(f)
		z.Write([]byte(content))
		z.Close()
	} else {
		f.WriteString(content)
	}
	return path
}

func TestLoginQueryPutCopyMerge(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	dir := t.TempDir()
	exec(t, db,
		`CREATE TABLE t (id NUMBER(38,0) NOT NULL, price NUMBER(38,9), name VARCHAR(20), at TIMESTAMP_TZ, doc VARIANT)`,
		`CREATE TEMPORARY TABLE s LIKE t`,
		`CREATE TEMPORARY STAGE st`)
	if n := srv.WarehouseStarts(); n != 0 {
		t.Fatalf("DDL started a warehouse %d times", n)
	}
	for i := range 3 {
		write(t, dir, fmt.Sprintf("part%d.csv.gz", i), fmt.Sprintf("%d,12345678901234567890.%09d,\"a, \"\"b\"\"\n%d\",2024-02-29T12:00:00.123456789+02:00,\"{\"\"b\"\":1,\"\"a\"\":[1,2]}\"\n%d,,,,\n", i*2, i, i, i*2+1))
	}
	got := rows(t, db, "PUT 'file://"+dir+"/part*.csv.gz' @st/load AUTO_COMPRESS=FALSE SOURCE_COMPRESSION=GZIP")
	if len(got) != 3 || got[0][6] != "UPLOADED" {
		t.Fatalf("PUT gave %v", got)
	}
	if got := rows(t, db, "LIST @st"); len(got) != 3 || got[0][0] != "st/load/part0.csv.gz" {
		t.Fatalf("LIST gave %v", got)
	}
	if n := srv.WarehouseStarts(); n != 0 {
		t.Fatalf("PUT started a warehouse %d times", n)
	}
	got = rows(t, db, "COPY INTO s FROM @st/load FILES=('part0.csv.gz','part1.csv.gz','part2.csv.gz') FILE_FORMAT=(TYPE=CSV FIELD_OPTIONALLY_ENCLOSED_BY='\"' NULL_IF=())")
	if len(got) != 3 || got[1][1] != "LOADED" || got[1][3] != "2" {
		t.Fatalf("COPY gave %v", got)
	}
	res, err := db.Exec(`MERGE INTO t USING (SELECT * FROM s QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY at DESC)=1) x ON t.id = x.id
		WHEN MATCHED THEN UPDATE SET price = x.price WHEN NOT MATCHED THEN INSERT (id, price, name, at, doc) VALUES (x.id, x.price, x.name, x.at, x.doc)`)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n != 6 {
		t.Fatalf("MERGE changed %d rows", n)
	}
	want(t, srv, "SELECT * FROM t WHERE id < 2 ORDER BY id",
		[]any{"0", "12345678901234567890.000000000", "a, \"b\"\n0", "2024-02-29 12:00:00.123456789 +02:00", `{"a":[1,2],"b":1}`},
		[]any{"1", nil, nil, nil, nil})
	if n := srv.WarehouseStarts(); n != 1 {
		t.Fatalf("the warehouse started %d times", n)
	}
	if got := rows(t, db, "REMOVE @st/load"); len(got) != 3 {
		t.Fatalf("REMOVE gave %v", got)
	}
	if n := len(srv.Files()); n != 0 {
		t.Fatalf("%d files left", n)
	}
	_, err = db.Exec("SELEC 1")
	if number(err) != 1003 {
		t.Fatalf("got %v", err)
	}
	if _, err := db.ExecContext(context.Background(), "SELECT * FROM nowhere"); number(err) != 2003 {
		t.Fatalf("got %v", err)
	}
}
