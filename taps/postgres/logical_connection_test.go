package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/pgtest"
	"elt/internal/singer"
	"elt/taps/postgres"
)

// newLoggedAlone is a logged whose server is the test's own.
func newLoggedAlone(t *testing.T, settings ...string) (*logged, *pgtest.Server) {
	server := pgtest.NewServer(t)
	if len(settings) > 0 {
		server.Restart(settings...)
	}
	conn, err := pgx.Connect(context.Background(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	u, _ := url.Parse(server.URL())
	port, _ := strconv.Atoi(u.Port())
	w := &world{t: t, conn: conn, cfg: map[string]any{"host": u.Hostname(), "port": port, "user": "elt", "database": "postgres", "connect_retry_seconds": 60, "replication_slot_name": "alone"}}
	return &logged{world: w, out: newMirror(t)}, server
}

// said is run, and what the tap logged.
func (l *logged) said() (log string, err error) {
	l.t.Helper()
	var words bytes.Buffer
	c := l.discover()
	for _, s := range c.Streams {
		s.SetMeta("selected", true)
		s.SetMeta("replication-method", "LOG_BASED")
	}
	ctx := zerolog.New(&words).WithContext(context.Background())
	err = postgres.New().Sync(ctx, l.config(), c, singer.NewBookmarks([]byte(l.out.state())), l.out)
	return words.String(), err
}

// large is a transaction that is longer than what connections hold in between,
// with rows that are appended and rows that have a key.
const large = `begin;
	insert into events select n, repeat('x', 1000) from generate_series(1, 15000) n;
	update t set pad = repeat('y', 3000), n = n + 1; update t set id = id + 100000 where id % 3 = 0; delete from t where id % 5 = 0;
	insert into events select n, repeat('z', 1000) from generate_series(15001, 30000) n;
	update t set id = -id; truncate gone; insert into gone values (7);
	commit`

func (l *logged) largeTables() {
	l.t.Helper()
	l.exec(`create table events (n int, pad text); alter table events replica identity full;
		create table t (id int primary key, n int, pad text); alter table t alter pad set storage external; create table gone (id int primary key);
		insert into t select n, 0, repeat('p', 3000) from generate_series(1, 300) n; insert into gone values (1), (2)`)
}

// wantLarge wants what the large transaction did, once.
func (l *logged) wantLarge() {
	l.t.Helper()
	l.same("t", "gone")
	var got []string
	for _, r := range l.out.tables["public-events"].appended {
		got = append(got, r["n"])
	}
	if len(got) != 30000 {
		l.t.Errorf("%d rows were appended, not 30000", len(got))
	}
	for i, n := range got {
		if n != strconv.Itoa(i+1) {
			l.t.Fatalf("row %d is number %s", i+1, n)
		}
	}
}

// The connection to the log breaks in the middle of a transaction, again and
// again: the run goes on behind the change that it handed on last.
func TestLogBasedGoesOnAfterABreak(t *testing.T) {
	for _, plugin := range []string{"pgoutput", "wal2json"} {
		t.Run(plugin, func(t *testing.T) {
			l := newLogged(t)
			l.largeTables()
			l.plugin(plugin)
			l.must()
			l.exec(large)
			l.exec("insert into t values (1000000, 1, 'after')")
			next := 1000
			l.out.onRows = func(all int) {
				if all >= next && next <= 16000 {
					next = all + 5000
					l.exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", l.slot())
				}
			}
			log, err := l.said()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log, "going on from") {
				t.Errorf("the connection did not break: %s", log)
			}
			l.wantLarge()
			if all := l.out.rows; all > 30000+4000 {
				t.Errorf("%d rows came", all)
			}
		})
	}
}

// The server is killed and started again in mid-run; then it stays away.
func TestLogBasedOutlivesTheServer(t *testing.T) {
	l, server := newLoggedAlone(t)
	l.largeTables()
	l.must()
	l.exec(large)
	restarted := false
	l.out.onRows = func(all int) {
		if all > 3000 && !restarted {
			restarted = true
			server.Restart()
			l.conn, _ = pgx.Connect(context.Background(), server.URL())
		}
	}
	log, err := l.said()
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !strings.Contains(log, "going on from") {
		t.Errorf("the connection did not break: %s", log)
	}
	l.wantLarge()

	l.exec("insert into events select n, repeat('x', 1000) from generate_series(1, 30000) n")
	l.cfg["connect_retry_seconds"] = 1
	l.out.rows = 0
	l.out.onRows = func(all int) {
		if all > 3000 {
			l.out.onRows = nil
			server.Stop()
		}
	}
	_, err = l.said()
	for _, want := range []string{"the connection that reads the log broke", "there is no other", "cannot connect to PostgreSQL", "hint:"} {
		if err == nil || !strings.Contains(fault.Render(err), want) {
			t.Errorf("nothing says %q: %v", want, err)
		}
	}
	if kind := fault.KindOf(err); kind != fault.KindConnect {
		t.Errorf("its kind is %s", kind)
	}
	server.Start()
	l.conn, _ = pgx.Connect(context.Background(), server.URL())
	l.cfg["connect_retry_seconds"] = 60
	l.must()
	if got := len(l.out.tables["public-events"].appended); got != 60000 {
		t.Errorf("%d rows after the next run, not 60000", got)
	}
}

// A server that has less of a log than was read of it is another one.
func TestLogBasedRefusesAnotherServersBookmark(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key)")
	l.must()
	at := l.one("select (pg_current_wal_lsn() - '0/0' + 1000000000)::text")
	l.out.marks["public-t"] = fmt.Appendf(nil, `{"replication_key":"_sdc_lsn","replication_key_value":%s}`, at)
	if err := l.run(); err == nil || !strings.Contains(fault.Render(err), "was restored, or is another one") {
		t.Errorf("the run says %v", err)
	}
}
