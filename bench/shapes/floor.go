//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
)

// floor is what the database's own client needs for the same rows.
func (t *table) floor(ctx context.Context, r route) (cost, error) {
	columns, _ := t.source(0)
	in := func(sql string) string { return fmt.Sprintf("psql -Xq -v ON_ERROR_STOP=1 -d '%s' -c '%s'", t.url, sql) }
	var line string
	switch {
	case r.name == nullFloor.name:
		line = in("copy src.t000 to stdout (format binary)") + " > /dev/null"
	case r.seeded != "":
		names, err := t.columns(ctx)
		if err != nil {
			return cost{}, err
		}
		var list, set []string
		for _, c := range names {
			list = append(list, c.name)
			if c.name != t.key {
				set = append(set, c.name+" = excluded."+c.name)
			}
		}
		all := strings.Join(list, ", ")
		line = in("copy src.t000 to stdout (format binary)") + " | " + in("create temp table s (like src.t000)") +
			" -c 'copy s from stdin (format binary)' -c 'insert into out.t000 (" + all + ") select " + all + " from s on conflict (" + t.key + ") do update set " + strings.Join(set, ", ") + "'"
	case t.tables > 1:
		line = fmt.Sprintf("pg_dump -d '%s' -n src | sed -e 's/^CREATE SCHEMA.*//' -e 's/\\bsrc\\./out./g' | psql -Xq -v ON_ERROR_STOP=1 -d '%s'", t.url, t.url)
	default:
		if err := t.exec(ctx, "create table out.t000 ("+columns+")"); err != nil {
			return cost{}, err
		}
		line = in("copy src.t000 to stdout (format binary)") + " | " + in("copy out.t000 from stdin (format binary)")
	}
	return measure(ctx, t.dir, nil, "bash", "-o", "pipefail", "-c", line)
}

type column struct{ name, kind string }

// columns are those of the source, in order.
func (t *table) columns(ctx context.Context) (all []column, err error) {
	rows, err := t.db.Query(ctx, `select quote_ident(attname), format_type(atttypid, atttypmod) from pg_attribute
		where attrelid = 'src.t000'::regclass and attnum > 0 and not attisdropped order by attnum`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.kind); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}
