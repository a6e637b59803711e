//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const database = "elt_shapes"

// connect makes the database anew.
func (b *bench) connect(ctx context.Context) error {
	if b.url == "" {
		b.url = os.Getenv("ELT_BENCH_POSTGRES")
	}
	if b.url == "" {
		port, err := os.ReadFile(filepath.Join(folder(), "pg.port"))
		if err != nil {
			return errors.New("no server: say -postgres postgres://user@host:port/postgres")
		}
		b.url = "postgres://bench:bench@127.0.0.1:" + strings.TrimSpace(string(port)) + "/postgres"
	}
	admin, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	for _, sql := range []string{"drop database if exists " + database + " with (force)", "create database " + database} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	at, err := url.Parse(b.url)
	if err != nil {
		return err
	}
	at.Path = "/" + database
	b.url = at.String()
	b.db, err = pgx.Connect(ctx, b.url)
	return err
}

// folder is where bench data are kept.
func folder() string {
	if dir := os.Getenv("ELT_BENCH_DIR"); dir != "" {
		return dir
	}
	cache, _ := os.UserCacheDir()
	return filepath.Join(cache, "elt-bench")
}

func (b *bench) exec(ctx context.Context, sql ...string) error {
	for _, one := range sql {
		if _, err := b.db.Exec(ctx, one); err != nil {
			return fmt.Errorf("%.200s: %w", one, err)
		}
	}
	return nil
}

// table is one shape at one size: its sources in schema src, what elt makes of
// them in out.
type table struct {
	*bench
	shape
	rows int
}

func (t *table) total() int { return t.rows * t.tables }

func (t *table) names() (names []string) {
	for i := range t.tables {
		names = append(names, fmt.Sprintf("t%03d", i))
	}
	return names
}

func (t *table) make(ctx context.Context) error {
	columns, query := t.source(t.rows)
	sql := []string{"drop schema if exists src cascade", "create schema src"}
	for _, name := range t.names() {
		sql = append(sql, fmt.Sprintf("create table src.%s (%s, primary key (%s))", name, columns, t.key),
			fmt.Sprintf("insert into src.%s %s", name, query))
	}
	return t.exec(ctx, append(sql, "vacuum (analyze)", "checkpoint")...)
}

func (t *table) drop(ctx context.Context) error {
	return t.exec(ctx, "drop schema if exists src, out, back cascade")
}

// route runs a route as often as it is asked for, each time into nothing, or
// into the table that it is seeded with.
func (t *table) route(ctx context.Context, r route) (costs []cost, parity string, err error) {
	for range t.runs {
		if err := t.prepare(ctx, r); err != nil {
			return nil, "", err
		}
		var c cost
		if r.floor {
			c, err = t.floor(ctx, r)
		} else {
			c, err = t.elt(ctx, r)
		}
		if err != nil {
			return nil, "", err
		}
		costs = append(costs, c)
	}
	parity, err = t.parity(ctx, r)
	return costs, parity, err
}

// elt is one measured run.
func (t *table) elt(ctx context.Context, r route) (cost, error) {
	tap := cmp.Or(r.tap, "tap-postgres")
	argv := append([]string{t.bench.elt, "run", tap, r.target}, r.flags...)
	return measure(ctx, t.dir, nil, argv...)
}

// prepare empties the destination, or fills it with what the route updates.
func (t *table) prepare(ctx context.Context, r route) error {
	for _, left := range []string{".elt", "files", "out.db", "out.db-wal", "out.db-shm"} {
		if err := os.RemoveAll(filepath.Join(t.dir, left)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(t.dir, "elt.yml"), t.project(), 0o600); err != nil {
		return err
	}
	if err := t.exec(ctx, "drop schema if exists out cascade", "create schema out"); err != nil {
		return err
	}
	if r.seeded != "" {
		if err := t.seed(ctx, r); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, "checkpoint"); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // for the server's processes of the run before
	return nil
}

// seed makes the keyed table as an earlier run of elt left it: half of the
// rows, with other values, or all.
func (t *table) seed(ctx context.Context, r route) error {
	if r.seeded == "half" {
		columns, _ := t.source(0)
		if err := t.exec(ctx, "alter table src.t000 rename to kept", fmt.Sprintf("create table src.t000 (%s, primary key (%s))", columns, t.key),
			"insert into src.t000 select * from src.kept where "+t.key+" % 2 = 0", "update src.t000 set l_quantity = l_quantity + 1, l_comment = 'old'"); err != nil {
			return err
		}
		defer t.exec(context.WithoutCancel(ctx), "drop table src.t000", "alter table src.kept rename to t000")
	}
	if _, err := t.elt(ctx, route{target: "target-postgres"}); err != nil {
		return err
	}
	return t.exec(ctx, "vacuum (analyze) out.t000")
}

// project is the project file of every route.
func (t *table) project() []byte {
	at, _ := url.Parse(t.url)
	password, _ := at.User.Password()
	server := fmt.Sprintf("host: %s, port: %s, user: %s, password: %q, database: %s", at.Hostname(), at.Port(), at.User.Username(), password, database)
	return fmt.Appendf(nil, `version: 1
default_environment: bench
environments: [{name: bench}]
plugins:
  extractors:
  - name: tap-postgres
    config: {%[1]s, filter_schemas: [src]}
    select: ['src-t*.*']
  - {name: tap-parquet, config: {files: [{entity: t000, path: 'files/**/*.parquet'}]}}
  loaders:
  - name: target-postgres
    config: {%[1]s, default_target_schema: out}
  - {name: target-back, inherit_from: target-postgres, config: {default_target_schema: back}}
  - {name: target-jsonl, config: {destination_path: files}}
  - {name: target-parquet, config: {destination_path: files}}
  - {name: target-sqlite, config: {path: out.db}}
`, server)
}
