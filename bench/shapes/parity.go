//go:build linux

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3"
)

// parity compares what came out with its source: rows, and a sum over a hash
// of all columns of each row, in the source's types. Files are read back by
// means other than elt's, Parquet aside.
func (t *table) parity(ctx context.Context, r route) (string, error) {
	if r.name == nullFloor.name {
		return "-", nil
	}
	columns, err := t.columns(ctx)
	if err != nil {
		return "", err
	}
	result := "ok"
	for _, name := range t.names() {
		where := "out." + name
		switch r.target {
		case "target-jsonl":
			err = t.readBack(ctx, name, func(out io.Writer) error { return jsonLines(t.dir, name, out) })
			where = "back." + name
		case "target-sqlite":
			err = t.readBack(ctx, name, func(out io.Writer) error { return sqliteRows(t.dir, name, columns, out) })
			where = "back." + name
		case "target-parquet":
			err = t.exec(ctx, "drop schema if exists back cascade", "create schema back")
			if _, e := t.elt(ctx, route{target: "target-back", tap: "tap-parquet"}); err == nil {
				err = e
			}
			where, result = "back."+name, "ok (read by tap-parquet)"
		}
		if err != nil {
			return "", fmt.Errorf("read back %s: %w", name, err)
		}
		want, err := t.sum(ctx, "src."+name, columns)
		if err != nil {
			return "", err
		}
		got, err := t.sum(ctx, where, columns)
		if err != nil {
			return fmt.Sprintf("%s: %v", name, err), nil
		}
		if got != want {
			return fmt.Sprintf("%s differs: %s, not %s", name, got, want), nil
		}
	}
	return result, nil
}

// sum is the number of rows and the sum of their hashes.
func (t *table) sum(ctx context.Context, table string, columns []column) (sum string, err error) {
	var values []string
	for _, c := range columns {
		values = append(values, c.name+"::"+c.kind)
	}
	err = t.db.QueryRow(ctx, fmt.Sprintf("select count(*) || ' rows, ' || coalesce(sum(hashtextextended(row(%s)::text, 0)::numeric), 0) from %s",
		strings.Join(values, ", "), table)).Scan(&sum)
	return sum, err
}

// readBack makes back.NAME of rows that write gives as JSON objects, one per line.
func (t *table) readBack(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := t.exec(ctx, "create schema if not exists back", "drop table if exists back."+name, "create temp table if not exists line (text jsonb)", "truncate line"); err != nil {
		return err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(write(out)) }()
	if _, err := t.db.PgConn().CopyFrom(ctx, in, `copy line from stdin (format csv, quote e'\x01', delimiter e'\x02')`); err != nil {
		in.CloseWithError(err)
		return err
	}
	return t.exec(ctx, fmt.Sprintf("create table back.%s as select (jsonb_populate_record(null::src.%s, text)).* from line", name, name))
}

func jsonLines(dir, name string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(dir, "files", "*"+name+"*.jsonl"))
	if err != nil || len(files) == 0 {
		return err // an empty stream need have no file
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func sqliteRows(dir, name string, columns []column, out io.Writer) error {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "out.db")+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var table string
	if err := db.QueryRow("select name from sqlite_master where type = 'table' and name like ?", "%"+name).Scan(&table); err != nil {
		return fmt.Errorf("table of %s: %w", name, err)
	}
	var list []string
	for _, c := range columns {
		list = append(list, `cast("`+c.name+`" as text)`)
	}
	rows, err := db.Query(fmt.Sprintf("select %s from %q", strings.Join(list, ", "), table))
	if err != nil {
		return err
	}
	defer rows.Close()
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	lines := json.NewEncoder(out)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		object := map[string]any{}
		for i, c := range columns {
			switch {
			case !values[i].Valid:
			case c.kind == "jsonb":
				object[c.name] = json.RawMessage(values[i].String)
			default:
				object[c.name] = values[i].String
			}
		}
		if err := lines.Encode(object); err != nil {
			return err
		}
	}
	return rows.Err()
}
