package mysql_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"elt/internal/fake/mariadb"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/mysql"
)

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var (
	once      sync.Once
	server    *mariadb.Server
	serverErr error
	databases int
)

// world is a database of its own, and the tap's settings for it.
type world struct {
	t    testing.TB
	name string
	cfg  map[string]any
}

func newWorld(t testing.TB, statements ...string) *world {
	t.Helper()
	once.Do(func() { server, serverErr = mariadb.Start("--log-bin=log", "--server-id=1", "--binlog-format=ROW") })
	if serverErr != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("scripts/need should have installed mariadb-server: %v", serverErr)
		}
		t.Skipf("MariaDB is not there, apt-get install mariadb-server: %v", serverErr)
	}
	databases++
	w := &world{t: t, name: fmt.Sprintf("shop_%d", databases)}
	w.cfg = map[string]any{"host": "127.0.0.1", "port": server.Port, "user": "root", "database": w.name, "connect_retry_seconds": 0, "filter_dbs": []string{w.name}}
	w.in("", "create database "+w.name+" character set utf8mb4")
	w.exec(statements...)
	return w
}

// cut ends all connections that the tap has.
func (w *world) cut() {
	w.t.Helper()
	session := w.open()
	rows, err := session.QueryContext(context.Background(), "select id from information_schema.processlist where id <> connection_id() and db = ?", w.name)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	rows.Close()
	for _, id := range ids { // one may have ended by itself
		session.ExecContext(context.Background(), fmt.Sprintf("kill %d", id))
	}
	session.Close()
}

func (w *world) exec(statements ...string) { w.t.Helper(); w.in(w.name, statements...) }

// open is one session.
func (w *world) open() *sql.Conn {
	w.t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?time_zone=%%27%%2B00:00%%27&charset=utf8mb4", server.Port, w.name))
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := db.Conn(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close(); db.Close() })
	return c
}

func (w *world) in(database string, statements ...string) {
	w.t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?time_zone=%%27%%2B00:00%%27&charset=utf8mb4", server.Port, database))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			w.t.Fatalf("%s: %v", s, err)
		}
	}
}

// logBased stands for a replication key.
const logBased = "LOG_BASED"

// sync reads one table from a bookmark, INCREMENTAL when key is not "".
func (w *world) sync(table, key, bookmark string) (*transcript, error) {
	w.t.Helper()
	out := &transcript{}
	return out, w.syncInto(out, table, key, bookmark)
}

func (w *world) syncInto(out taps.Output, table, key, bookmark string) error {
	w.t.Helper()
	cfg := w.settings()
	c, err := mysql.New().Discover(context.Background(), cfg)
	if err != nil {
		return err
	}
	id := w.name + "-" + table
	for _, s := range c.Streams {
		s.SetMeta("selected", s.ID() == id)
		if key == logBased {
			s.SetMeta("replication-method", key)
		} else if key != "" && s.ID() == id {
			s.SetMeta("replication-method", "INCREMENTAL")
			s.SetMeta("replication-key", key)
		}
	}
	state := singer.Bookmarks{}
	if bookmark != "" {
		raw, _ := json.Marshal(map[string]any{"bookmarks": map[string]any{id: json.RawMessage(bookmark)}})
		state = singer.NewBookmarks(raw)
	}
	return mysql.New().Sync(context.Background(), cfg, c, state, out)
}

func (w *world) settings() spec.Config {
	w.t.Helper()
	raw, _ := json.Marshal(w.cfg)
	cfg, unknown, err := mysql.New().Spec().Resolve(raw)
	if err != nil || len(unknown) > 0 {
		w.t.Fatalf("settings: %v, unknown: %v", err, unknown)
	}
	return cfg
}

func (w *world) resolve() (spec.Config, *singer.Catalog) {
	w.t.Helper()
	cfg := w.settings()
	c, err := mysql.New().Discover(context.Background(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg, c
}

func (w *world) mustSync(table, key, bookmark string) *transcript {
	w.t.Helper()
	out, err := w.sync(table, key, bookmark)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// transcript is an Output and a Stream that remembers what it was given.
type transcript struct {
	schemas   []*row.Schema
	rows      []string // values as JSON, joined by blanks
	positions []taps.Position
	versions  []int64 // of each row
	activated int
	onRows    func(all int) // before rows are taken, with how many that makes
}

func (o *transcript) Parallel() int               { return 1 }
func (o *transcript) Acked() <-chan taps.Position { return nil }
func (o *transcript) Activate(int64) error        { o.activated++; return nil }
func (o *transcript) Close() error                { return nil }
func (o *transcript) End() error                  { return nil }
func (o *transcript) Schema(s *row.Schema) error  { o.schemas = append(o.schemas, s); return nil }
func (o *transcript) Position(p taps.Position) error {
	o.positions = append(o.positions, p)
	return nil
}
func (o *transcript) Stream(_ context.Context, s *row.Schema) (taps.Stream, error) {
	o.schemas = append(o.schemas, s)
	return o, nil
}

func (o *transcript) Write(b *row.Batch) error {
	if o.onRows != nil {
		o.onRows(len(o.rows) + b.Len())
	}
	for i := range b.Len() {
		var values []string
		fields := b.Fields(i)
		for c := range b.Schema.Columns {
			v, state := fields.Next()
			if b.Schema.Columns[c].Name == singer.DeletedAt {
				if (state == row.Value) != (b.Op(i) == row.Delete) {
					o.rows = append(o.rows, "a deletion and its mark differ")
				}
				continue
			}
			if state != row.Value {
				values = append(values, map[row.State]string{row.IsNull: "null", row.IsUnset: "unset"}[state])
				continue
			}
			values = append(values, string(row.AppendJSON(nil, &b.Schema.Columns[c], v)))
		}
		o.versions = append(o.versions, b.Version)
		o.rows = append(o.rows, [...]string{"", "~", "-"}[b.Op(i)]+strings.Join(values, " "))
	}
	b.Release()
	return nil
}
