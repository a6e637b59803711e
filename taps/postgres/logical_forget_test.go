package postgres_test

import (
	"testing"

	"elt/taps"
)

// The server throws away what every stream has, also where one table never
// changes, and where nothing changes but what is not published.
func TestLogBasedLetsGoOfTheLog(t *testing.T) {
	l := newLogged(t)
	l.out.acks = make(chan taps.Position, 1000)
	l.exec("create table t (id int primary key); create table quiet (id int primary key); create schema aside")
	l.must()
	for _, change := range []string{
		"insert into t select coalesce(max(id), 0) + 1 from t",
		"create table if not exists aside.noise (n int); insert into aside.noise select generate_series(1, 20000)",
	} {
		before := l.one("select pg_current_wal_lsn()::text")
		for range 4 {
			l.exec(change)
			l.exec("checkpoint") // the server notes who is at work: to such notes it goes back
			l.must(`{"filter_schemas": ["public"]}`)
		}
		if at := l.one("select restart_lsn::text from pg_replication_slots where slot_name = $1", l.slot()); l.one("select ($1::pg_lsn < $2::pg_lsn)::text", at, before) == "true" {
			t.Errorf("after %s the server keeps its log from %s on, of before %s", change, at, before)
		}
	}
}
