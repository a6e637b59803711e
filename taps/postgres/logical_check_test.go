package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
)

// logCatalog is a file with the catalog, every stream by method.
func (l *logged) logCatalog(method string) string {
	l.t.Helper()
	c := l.discover()
	for _, s := range c.Streams {
		s.SetMeta("selected", true)
		s.SetMeta("replication-method", method)
	}
	text, err := c.Print()
	if err != nil {
		l.t.Fatal(err)
	}
	path := filepath.Join(l.t.TempDir(), "catalog.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// wantCheck wants names of checks with kinds of failures, and words of what
// was said, from --check of LOG_BASED streams.
func (l *logged) wantCheck(more map[string]any, want string, said ...string) {
	l.t.Helper()
	names, text := l.checks(l.logCatalog("LOG_BASED"), more)
	if names != want {
		l.t.Errorf("%v: %s, want %s\n%s", more, names, want, text)
	}
	for _, word := range said {
		if !strings.Contains(text, word) {
			l.t.Errorf("%v: nothing says %q\n%s", more, word, text)
		}
	}
}

// What a run of LOG_BASED streams would meet, a check says before it, and it
// leaves nothing behind.
func TestLogBasedCheck(t *testing.T) {
	l := newLogged(t)
	db := l.conn.Config().Database
	clerk := "clerk_" + db
	l.exec("create table t (id int primary key); insert into t values (1); create role " + clerk + " login; grant select on t to " + clerk)
	t.Cleanup(func() { l.exec("drop owned by " + clerk + "; drop role " + clerk) })
	l.wantCheck(nil, "replication read", "will be made")
	if names, said := l.checks(l.logCatalog("FULL_TABLE"), nil); names != "read" {
		t.Errorf("without LOG_BASED: %s\n%s", names, said)
	}
	as := map[string]any{"user": clerk}
	l.wantCheck(as, "replication:permission replication:permission read", "may not replicate", "rds_replication", "cannot add it", "create publication")
	l.exec("alter role " + clerk + " replication; create publication " + l.slot() + " for table t")
	l.wantCheck(as, "replication read")
	if n := l.one("select count(*)::text from pg_replication_slots where database = $1", db); n != "0" {
		t.Error("a check has made a slot")
	}
	l.exec("drop publication " + l.slot())
	l.must()
	if n := l.one("select count(*)::text from pg_publication"); n != "1" {
		t.Error("a check has left a publication, or taken one away")
	}
	l.wantCheck(nil, "replication read", "MB of the log are kept")

	l.exec("create table nokey (a int); alter publication " + l.slot() + " set (publish = 'insert')")
	l.wantCheck(nil, "replication:other replication:other read", "has no primary key", "does not publish all of insert")
	l.exec("drop table nokey; alter publication " + l.slot() + " set (publish = 'insert, update, delete, truncate')")

	l.exec("select pg_create_logical_replication_slot('elt_plain_" + db + "', 'test_decoding')")
	l.wantCheck(map[string]any{"replication_slot_name": "elt_plain_" + db}, "replication:other read", `output plugin \"test_decoding\"`)
	other := newLogged(t)
	other.exec("create table t (id int primary key)")
	other.must()
	l.wantCheck(map[string]any{"replication_slot_name": other.slot()}, "replication:other read", "belongs to database")

	holder := l.holdSlot()
	l.wantCheck(nil, "replication:limit read", "is in use", "active for PID")
	holder()
}

// holdSlot reads the slot until the function that it returns is called.
func (l *logged) holdSlot() (release func()) {
	l.t.Helper()
	conn, held := l.sender(), make(chan struct{})
	pid := conn.PgConn().PID()
	go func() {
		defer close(held)
		conn.PgConn().Exec(context.Background(), fmt.Sprintf(`START_REPLICATION SLOT %q LOGICAL 0/0 (proto_version '1', publication_names '%s')`, l.slot(), l.slot())).ReadAll()
		conn.Close(context.Background())
	}()
	for l.one("select active::text from pg_replication_slots where slot_name = $1", l.slot()) != "true" {
		time.Sleep(10 * time.Millisecond)
	}
	return func() {
		l.exec("select pg_terminate_backend($1)", pid)
		<-held
	}
}

// sender is a connection that could send the log.
func (l *logged) sender() *pgx.Conn {
	l.t.Helper()
	conn, err := pgx.Connect(context.Background(), strings.Replace(l.conn.Config().ConnString(), "?", "?replication=database&", 1))
	if err != nil {
		l.t.Fatal(err)
	}
	return conn
}

// A server that is not set up for it, that has nothing left, or that has
// thrown the slot's log away: check and run say the same.
func TestLogBasedServerIsNotReady(t *testing.T) {
	l, server := newLoggedAlone(t)
	l.cfg["connect_retry_seconds"] = 0
	restart := func(settings ...string) {
		t.Helper()
		server.Restart(settings...)
		var err error
		if l.conn, err = pgx.Connect(context.Background(), server.URL()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.conn.Close(context.Background()) })
	}
	both := func(kind string, said ...string) {
		t.Helper()
		l.wantCheck(nil, "replication:"+kind+" read", said...)
		err := l.run()
		if err == nil || string(fault.KindOf(err)) != kind {
			t.Fatalf("the run says %v, of kind %s", err, fault.KindOf(err))
		}
		for _, word := range said {
			if !strings.Contains(fault.Render(err), word) {
				t.Errorf("the run does not say %q: %s", word, fault.Render(err))
			}
		}
	}
	restart("wal_level=replica", "checkpoint_timeout=1h")
	l.exec("create table t (id int primary key)")
	both("shape", "replication is not enabled", "wal_level", "replica", "rds.logical_replication")
	restart("wal_level=logical", "max_replication_slots=1", "max_wal_senders=1")
	l.exec("select pg_create_physical_replication_slot('other')")
	both("limit", "no replication slot left", "raise max_replication_slots")
	l.exec("select pg_drop_replication_slot('other')")
	taken := l.sender()
	both("limit", "no connection left that could send its log", "raise max_wal_senders")
	taken.Close(context.Background())
	for l.one("select count(*)::text from pg_stat_activity where backend_type = 'walsender'") != "0" {
		time.Sleep(10 * time.Millisecond)
	}
	l.must()
	l.wantCheck(nil, "replication read", "no other slot left")
	l.exec("alter system set max_slot_wal_keep_size = '1MB'")
	l.exec("select pg_reload_conf()")
	for range 3 {
		l.exec("insert into t select coalesce(max(id), 0) + 1 from t")
		l.exec("select pg_switch_wal()")
	}
	for l.one("select wal_status from pg_replication_slots") == "reserved" { // the setting has not come through yet
		time.Sleep(10 * time.Millisecond)
	}
	l.wantCheck(nil, "replication read", "about to be lost")
	l.exec("checkpoint")
	both("shape", "is lost", "max_slot_wal_keep_size", "--full-refresh")
}
