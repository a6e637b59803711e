package crash

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"elt/internal/fake/snowflake"
	"elt/internal/pgtest"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"
	"github.com/parquet-go/parquet-go"
)

// destination is a project folder and what its loader writes to.
type destination struct {
	kind, dir, url string
	flags          []string
	snow           *snowflake.Server
}

func (j job) prepare(t *testing.T, kind string) destination {
	t.Helper()
	d := destination{kind: kind, dir: t.TempDir(), flags: j.flags}
	var loader string
	switch kind {
	case "sqlite":
		loader = "{database: out.db, batch_size_rows: 500}"
	case "postgres":
		d.url = pgtest.URL(t)
		u, err := url.Parse(d.url)
		if err != nil {
			t.Fatal(err)
		}
		loader = fmt.Sprintf("{host: %s, port: %s, user: %s, database: %s, default_target_schema: public, batch_size_rows: 500}",
			u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
	case "snowflake":
		d.snow = snowflake.Start(t, snowflake.WithIdleAbort(time.Second))
		loader = fmt.Sprintf("{account: %s, user: %s, password: %s, role: %s, warehouse: %s, database: %s, protocol: http, host: %q, port: %s, default_target_schema: OUT, temp_dir: ., batch_size_rows: 5000}",
			snowflake.Account, snowflake.UserName, snowflake.Password, snowflake.Role, snowflake.Warehouse, snowflake.Database, d.snow.Host(), d.snow.Port())
	case "jsonl":
		loader = "{destination_path: ., batch_size_rows: 500}"
	case "parquet":
		loader = "{destination_path: ., batch_size_rows: 500}"
	case "scripted":
		loader = "{}\n    namespace: target_scripted\n    executable: ./target-scripted"
	}
	project := "default_environment: dev\nenvironments:\n- name: dev\nplugins:\n  extractors:\n" + j.tap +
		"  loaders:\n  - name: target-" + kind + "\n    config: " + loader + "\n"
	write(t, filepath.Join(d.dir, "elt.yml"), project)
	var csv strings.Builder
	csv.WriteString("id,name,total\n")
	for n := 1; n <= j.total; n++ {
		fmt.Fprintf(&csv, "%d,customer %d,%d.%02d\n", n, n, n, n%100)
	}
	write(t, filepath.Join(d.dir, "orders.csv"), csv.String())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tap-scripted", "target-scripted"} {
		if err := os.Symlink(self, filepath.Join(d.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d destination) command() *exec.Cmd {
	tap := "tap-csv"
	if text, _ := os.ReadFile(filepath.Join(d.dir, "elt.yml")); strings.Contains(string(text), "tap-scripted") {
		tap = "tap-scripted"
	}
	cmd := exec.Command(elt, append([]string{"run", tap, "target-" + d.kind}, d.flags...)...)
	cmd.Dir, cmd.Env = d.dir, append(os.Environ(), "NO_COLOR=1")
	return cmd
}

// check wants every id from 1 to total; once: exactly once.
func (d destination) check(t *testing.T, total int, once bool, sum *tally) {
	t.Helper()
	seen := map[int]int{}
	for _, id := range d.ids(t) {
		seen[id]++
	}
	lost, doubled := 0, 0
	for id := 1; id <= total; id++ {
		switch {
		case seen[id] == 0:
			lost++
		case seen[id] > 1:
			doubled++
		}
	}
	sum.lost, sum.doubled = sum.lost+lost, sum.doubled+doubled
	if lost > 0 || len(seen) != total {
		t.Errorf("%d of %d rows are lost (%d ids are there)", lost, total, len(seen))
	}
	if doubled > 0 && once {
		t.Errorf("%d rows are there more than once", doubled)
	}
}

func (d destination) ids(t *testing.T) []int {
	t.Helper()
	var ids []int
	switch d.kind {
	case "sqlite":
		db, err := sql.Open("sqlite3", filepath.Join(d.dir, "out.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.Query("select id from orders")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	case "postgres":
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, d.url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, "select id::int from orders")
		if err != nil {
			t.Fatal(err)
		}
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
			t.Fatal(err)
		}
	case "snowflake":
		_, rows, err := d.snow.Query("SELECT ID FROM OUT.ORDERS")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			id, err := strconv.Atoi(r[0].(string))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
	case "parquet":
		paths, err := filepath.Glob(filepath.Join(d.dir, "orders", "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths { // each is complete
			rows, err := parquet.ReadFile[struct {
				ID int64 `parquet:"id,optional"`
			}](path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for _, r := range rows {
				ids = append(ids, int(r.ID))
			}
		}
	case "jsonl", "scripted":
		file := map[string]string{"jsonl": "orders.jsonl", "scripted": "scripted.jsonl"}[d.kind]
		f, err := os.Open(filepath.Join(d.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			_, rest, _ := strings.Cut(s.Text(), `"id":`)
			digits := strings.TrimLeft(rest, ` "`)
			end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
			id, err := strconv.Atoi(digits[:max(end, 0)])
			if err != nil {
				t.Fatalf("a broken line: %q", s.Text())
			}
			ids = append(ids, id)
		}
	}
	return ids
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
