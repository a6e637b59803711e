package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
)

// A replica is read like its primary: a large table in ranges, and rows that
// are committed late, as long as their transaction had written something.
func TestReplica(t *testing.T) {
	primary := pgtest.NewServer(t)
	replica := primary.Replica()
	at := func(address string) (*pgx.Conn, string) {
		conn, err := pgx.Connect(context.Background(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		u, _ := url.Parse(address)
		return conn, u.Port()
	}
	conn, _ := at(primary.URL())
	behind, port := at(replica.URL())
	number, _ := strconv.Atoi(port)
	w := &world{t, conn, map[string]any{"host": "127.0.0.1", "port": 1, "user": "elt", "database": "postgres", "connect_retry_seconds": 2,
		"use_secondary": true, "secondary_host": "127.0.0.1", "secondary_port": number}}
	caughtUp := func() {
		t.Helper()
		var lsn string
		if err := conn.QueryRow(context.Background(), "select pg_current_wal_lsn()::text").Scan(&lsn); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			var there bool
			if err := behind.QueryRow(context.Background(), "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn).Scan(&there); err != nil || i == 2000 {
				t.Fatal("the replica does not follow: ", err)
			}
			if there {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	bigTable(w, "big", 20_000)
	w.exec("create table t (id int, k timestamptz default now()); insert into t values (0)")
	caughtUp()
	cat := w.catalog("{}", "public-t=k")
	first := w.interrupted(cat, "", 10_000).streams["public-big"]
	if again := w.mustSync(cat, first.state()).streams["public-big"]; len(again.rows) > 12_000 {
		t.Errorf("%d rows after %s", len(again.rows), first.state())
	}

	other := w.another(t)
	other("begin; insert into t values (1)")
	w.exec("insert into t values (2)")
	caughtUp()
	early := w.mustSync(cat, "").streams["public-t"]
	if len(early.rows) != 2 || !strings.Contains(early.state(), "elt_late") {
		t.Fatalf("first run: %v, %s", early.rows, early.state())
	}
	other("commit")
	caughtUp()
	late := w.mustSync(cat, early.state()).streams["public-t"]
	if !slices.Contains(late.column("id"), "1") || len(late.rows) != 2 {
		t.Errorf("after %s: %v", early.state(), late.rows)
	}
	if n := fmt.Sprint(len(w.mustSync(cat, late.state()).streams["public-t"].rows)); n != "1" {
		t.Errorf("%s rows in the end", n)
	}
}
