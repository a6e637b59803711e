package mysql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"elt/internal/fake/mariadb"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps/mysql"
)

// follow reads all tables of the world from bookmarks on, by the log, and
// returns what the tap logged.
func (w *world) follow(out *transcript, table, bookmark string) (log string, err error) {
	w.t.Helper()
	cfg, c := w.resolve()
	id := w.name + "-" + table
	for _, s := range c.Streams {
		s.SetMeta("selected", s.ID() == id)
		s.SetMeta("replication-method", logBased)
	}
	raw, _ := json.Marshal(map[string]any{"bookmarks": map[string]any{id: json.RawMessage(bookmark)}})
	var words bytes.Buffer
	err = mysql.New().Sync(zerolog.New(&words).WithContext(context.Background()), cfg, c, singer.NewBookmarks(raw), out)
	return words.String(), err
}

// wantNumbers wants rows that begin with 1, 2, 3 …, each once, in order.
func (o *transcript) wantNumbers(t *testing.T, all int) {
	t.Helper()
	if len(o.rows) != all {
		t.Errorf("%d rows came, not %d", len(o.rows), all)
	}
	for i, r := range o.rows {
		if first, _, _ := strings.Cut(r, " "); first != strconv.Itoa(i+1) {
			t.Fatalf("row %d is %.40s", i+1, r)
		}
	}
}

// All connections are cut in the middle of a transaction, again and again: the
// run goes on behind the change that it handed on last, by file and by GTID.
func TestLogGoesOnAfterABreak(t *testing.T) {
	for _, gtid := range []bool{false, true} {
		t.Run(fmt.Sprintf("use_gtid %v", gtid), func(t *testing.T) {
			w := newWorld(t, "create table t (n int, pad varchar(2000), late int default 7)", "create table k (id int primary key, a int default 5, b int)")
			w.cfg["use_gtid"], w.cfg["connect_retry_seconds"] = gtid, 30
			first, keyed := w.mustSync("t", logBased, "").last(), w.mustSync("k", logBased, "").last()
			w.exec("insert into t (n, pad) select seq, repeat('x', 1000) from seq_1_to_100",
				"insert into t (n, pad) select seq, repeat('x', 1000) from seq_101_to_20000", "insert into t values (20001, 'after', 1)")
			out, next := &transcript{}, 1000
			out.onRows = func(all int) {
				if all >= next && next < 10_000 {
					next = all + 5000
					w.cut()
				}
			}
			log, err := w.follow(out, "t", first)
			if err != nil || !strings.Contains(log, "going on from") {
				t.Fatalf("%v\n%s", err, log)
			}
			out.wantNumbers(t, 20001)
			w.mustSync("t", logBased, out.last()).want(t)

			// What the log leaves out is asked for over a connection that breaks, too.
			session := w.open()
			for _, sql := range []string{"set binlog_row_image = 'MINIMAL'", "insert into k (id, b) select seq, seq from seq_1_to_15000"} {
				if _, err := session.ExecContext(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			cuts := 3
			out = &transcript{onRows: func(int) {
				if cuts--; cuts >= 0 {
					w.cut()
				}
			}}
			if log, err = w.follow(out, "k", keyed); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			out.wantNumbers(t, 15000)
			if last := out.rows[len(out.rows)-1]; last != "15000 5 15000" {
				t.Errorf("the last row is %s", last)
			}
		})
	}
}

// The server is killed and started again in mid-run; then it stays away.
func TestLogOutlivesTheServer(t *testing.T) {
	w := newWorld(t)
	own, err := mariadb.Start("--log-bin=log", "--server-id=1", "--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	shared := server
	server = own
	t.Cleanup(func() { server = shared })
	w.cfg["port"], w.cfg["connect_retry_seconds"] = own.Port, 60
	w.in("", "create database "+w.name)
	w.exec("create table t (n int, pad varchar(2000))")
	first := w.mustSync("t", logBased, "").last()
	w.exec("insert into t select seq, repeat('x', 1000) from seq_1_to_20000")
	restarted := false
	out := &transcript{onRows: func(all int) {
		if all > 1000 && !restarted {
			restarted = true
			if err := own.Restart(); err != nil {
				t.Error(err)
			}
		}
	}}
	log, err := w.follow(out, "t", first)
	if err != nil || !strings.Contains(log, "going on from") {
		t.Fatalf("%v\n%s", err, log)
	}
	out.wantNumbers(t, 20000)

	w.cfg["connect_retry_seconds"] = 0
	stopped := false
	out = &transcript{onRows: func(all int) {
		if all > 1000 && !stopped {
			stopped = true
			own.Stop()
		}
	}}
	_, err = w.follow(out, "t", first)
	if err == nil || fault.KindOf(err) != fault.KindConnect || !strings.Contains(fault.Render(err), "there is no connection to") {
		t.Errorf("the run says %v", err)
	}
}
