package parity

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"
	"github.com/parquet-go/parquet-go"

	snowfake "elt/internal/fake/snowflake"
)

// destination is a kind of target with its settings.
type destination struct {
	name, target string
	overwrites   bool
	// open makes a fresh place; the settings are YAML.
	open func(t *testing.T, dir string) (config string, look func(t *testing.T) snapshot)
}

// destinations are all; warehouse is one database, in which each pair loads
// into schemas of its own.
func destinations(warehouse string) []destination {
	var out []destination
	add := func(name, target string, open func(t *testing.T, dir string) (string, func(*testing.T) snapshot)) {
		out = append(out, destination{name, target, strings.Contains(name, "overwrite") || strings.Contains(name, "replace"), open})
	}
	for _, more := range []string{"", ", load_method: overwrite"} {
		add("jsonl"+more, "target-jsonl", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			return "{destination_path: out" + more + "}", files(filepath.Join(dir, "out"))
		})
		add("parquet"+more, "target-parquet", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			return "{destination_path: out, file_naming_scheme: \"{stream}.parquet\"" + more + "}", parquetFiles(filepath.Join(dir, "out"))
		})
		add("sqlite"+more, "target-sqlite", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			path := filepath.Join(dir, "out.db")
			return "{database: out.db" + more + "}", func(t *testing.T) snapshot { return sqlite(t, path) }
		})
		add("postgres"+more, "target-postgres", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			schema := fmt.Sprintf("out_%d", counter.Add(1))
			return login(t, warehouse) + ", default_target_schema: " + schema + more + "}", func(t *testing.T) snapshot { return postgres(t, warehouse, schema) }
		})
		add("snowflake"+more, "target-snowflake", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			srv := snowfake.Start(t)
			return fmt.Sprintf("{account: %s, user: %s, password: %s, role: %s, warehouse: %s, database: %s, protocol: http, host: %q, port: %s, default_target_schema: OUT, temp_dir: .%s}",
				snowfake.Account, snowfake.UserName, snowfake.Password, snowfake.Role, snowfake.Warehouse, snowfake.Database, srv.Host(), srv.Port(), more), func(t *testing.T) snapshot { return snowflake(t, srv) }
		})
	}
	for _, behavior := range []string{"append_records", "replace_file"} {
		add("csv, "+behavior, "target-csv", func(t *testing.T, dir string) (string, func(*testing.T) snapshot) {
			return "{output_path: out, overwrite_behavior: " + behavior + "}", files(filepath.Join(dir, "out"))
		})
	}
	return out
}

var counter atomic.Int64

// login is the beginning of a connector's settings.
func login(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{host: %q, port: %s, user: %q, database: %q", u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
}

// files looks at a folder of files and at its journal.
func files(dir string) func(t *testing.T) snapshot {
	return func(t *testing.T) snapshot {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot{}
		for _, e := range entries {
			raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(e.Name(), ".") {
				s[e.Name()] = strings.Split(string(raw), "\n")
				continue
			}
			var journal struct {
				Bookmarks json.RawMessage `json:"bookmarks"`
				Undo      json.RawMessage `json:"undo"`
			}
			if err := json.Unmarshal(raw, &journal); err == nil {
				s.add("bookmark in the folder", canonical(journal.Bookmarks)+string(journal.Undo))
			}
		}
		return s
	}
}

// parquetFiles looks at the folder's journal, and at the shape and the rows of
// all files of a stream: how rows are spread over files is a matter of time.
func parquetFiles(dir string) func(t *testing.T) snapshot {
	return func(t *testing.T) snapshot {
		t.Helper()
		s := snapshot{}
		for name, lines := range files(dir)(t) {
			stream, isFile := strings.CutSuffix(name, ".parquet")
			if !isFile {
				s[name] = lines
				continue
			}
			stream, _, _ = strings.Cut(stream, ".part")
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			p, err := parquet.OpenFile(f, info.Size())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			note, _ := p.Lookup("elt.kinds")
			shape := p.Schema().String() + note
			if !slices.Contains(s["shapes of "+stream], shape) {
				s.add("shapes of "+stream, shape)
			}
			s["rows of "+stream] = append(s["rows of "+stream], parquetRows(t, p)...)
		}
		return s
	}
}

func parquetRows(t *testing.T, p *parquet.File) (out []string) {
	t.Helper()
	for _, group := range p.RowGroups() {
		in := group.Rows()
		defer in.Close()
		buf := make([]parquet.Row, 64)
		for {
			n, err := in.ReadRows(buf)
			for _, r := range buf[:n] {
				line := ""
				for _, v := range r {
					line += v.String() + "|"
				}
				out = append(out, line)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func sqlite(t *testing.T, path string) snapshot {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	query := func(q string, args ...any) (out []string) {
		rows, err := db.Query(q, args...)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			out = append(out, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return out
	}
	s := snapshot{}
	for _, table := range query("select name from sqlite_master where type = 'table'") {
		if table == "_elt_state" {
			for _, position := range query("select part || char(9) || stream || char(9) || coalesce(position, '') from _elt_state where part in ('whole', 'stream')") {
				s.add("_elt_state", position)
			}
			continue
		}
		s["columns of "+table] = query("select name || ' ' || type || ' ' || \"notnull\" || ' ' || pk from pragma_table_info($1)", table)
		var values []string
		for _, c := range query("select name from pragma_table_info($1)", table) {
			q := `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
			if strings.HasPrefix(c, "_sdc_") {
				q += " is null"
			}
			values = append(values, "typeof("+q+") || ' ' || quote("+q+")")
		}
		s["rows of "+table] = query(`select ` + strings.Join(values, " || ', ' || ") + ` from "` + strings.ReplaceAll(table, `"`, `""`) + `"`)
	}
	return foldPositions(s)
}

func postgres(t *testing.T, address, schema string) snapshot {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	query := func(q string, args ...any) []string {
		rows, err := conn.Query(ctx, q, args...)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		out, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return out
	}
	s := snapshot{}
	for _, table := range query("select tablename::text from pg_tables where schemaname = $1", schema) {
		name := pgx.Identifier{schema, table}.Sanitize()
		if table == "_elt_state" {
			s["_elt_state"] = query("select part || chr(9) || stream || chr(9) || coalesce(position, '') from " + name + " where part in ('whole', 'stream')")
			continue
		}
		const columns = " from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum"
		s["columns of "+table] = query("select attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull"+columns, name)
		s["keys of "+table] = query("select pg_get_constraintdef(oid) from pg_constraint where conrelid = $1::text::regclass", name)
		var values []string
		for _, c := range query("select attname::text"+columns, name) {
			q := pgx.Identifier{c}.Sanitize()
			if strings.HasPrefix(c, "_sdc_") {
				q = "(" + q + " is null)"
			}
			values = append(values, q)
		}
		s["rows of "+table] = query("select row(" + strings.Join(values, ", ") + ")::text from " + name)
	}
	return foldPositions(s)
}

func snowflake(t *testing.T, srv *snowfake.Server) snapshot {
	t.Helper()
	query := func(q string) (out []string) {
		_, rows, err := srv.Query(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for _, r := range rows {
			out = append(out, fmt.Sprint(r...))
		}
		return out
	}
	s := snapshot{}
	for _, table := range query("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'OUT'") {
		name := `OUT."` + strings.ReplaceAll(table, `"`, `""`) + `"`
		if table == "_ELT_STATE" {
			for _, position := range query("SELECT COALESCE(\"POSITION\", '') FROM " + name) {
				s.add("_elt_state", "whole\t\t"+position)
			}
			continue
		}
		names, rows, err := srv.Query("SELECT * FROM " + name)
		if err != nil {
			t.Fatal(err)
		}
		s["columns of "+table] = query("SELECT COLUMN_NAME || ' ' || DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'OUT' AND TABLE_NAME = '" + strings.ReplaceAll(table, "'", "''") + "'")
		for _, r := range rows {
			for i, v := range r {
				if strings.HasPrefix(names[i], "_SDC_") {
					r[i] = v == nil
				}
			}
			s.add("rows of "+table, fmt.Sprintf("%q", r))
		}
	}
	return foldPositions(s)
}

// foldPositions makes the rows of _elt_state comparable: a position of one
// stream replaces that stream's part of the whole.
func foldPositions(s snapshot) snapshot {
	marks := map[string]json.RawMessage{}
	for _, whole := range []bool{true, false} {
		for _, line := range s["_elt_state"] {
			part, rest, _ := strings.Cut(line, "\t")
			stream, position, _ := strings.Cut(rest, "\t")
			if part == "whole" && whole {
				var v struct{ Bookmarks map[string]json.RawMessage }
				if json.Unmarshal([]byte(position), &v) == nil {
					for k, m := range v.Bookmarks {
						marks[k] = m
					}
				}
			} else if part == "stream" && !whole {
				marks[stream] = json.RawMessage(position)
			}
		}
	}
	delete(s, "_elt_state")
	for stream, m := range marks {
		s.add("_elt_state", stream+" "+canonical(m))
	}
	return s
}
