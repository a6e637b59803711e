package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
)

// another is a second session on the world's database.
func (w *world) another(t *testing.T) func(sql string) {
	t.Helper()
	conn, err := pgx.ConnectConfig(context.Background(), w.conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return func(sql string) {
		t.Helper()
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// A row that is committed after rows with greater keys comes in the next run,
// and once only, whatever kind of key it has and however its transaction ran.
func TestRowsThatCommitLate(t *testing.T) {
	for _, c := range []struct{ name, key, open, write string }{
		{"time of a transaction that has written", "timestamptz default now()", "begin; insert into t values (1)", ""},
		{"time of a transaction that writes later", "timestamptz default now()", "begin; select 1", "insert into t values (1)"},
		{"local time", "timestamp default localtimestamp", "begin; insert into t values (1)", ""},
		{"day", "date default now()", "begin; insert into t values (1)", ""},
		{"sequence", "bigint default nextval('s')", "begin; insert into t values (1)", ""},
		{"sequence in a part of the table", "bigint default nextval('s')", "begin; insert into part values (1)", ""},
		{"text", "text default to_char(nextval('s'), '0000')", "begin; insert into t values (1)", ""},
		{"update", "timestamptz default now()", "begin; update t set k = default where id = 0", "update t set id = 1 where id = 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			other := w.another(t)
			w.exec("create sequence s")
			if strings.Contains(c.name, "part") {
				w.exec("create table t (id int, k " + c.key + ") partition by range (id); create table part partition of t (k default nextval('s')) for values from (0) to (100)")
			} else {
				w.exec("create table t (id int, k " + c.key + ")")
			}
			w.exec("insert into t values (0)")
			cat := w.catalog("{}", "public-t=k")
			ids := func(r *recorded) string {
				all := r.column("id")
				slices.Sort(all)
				return strings.Join(slices.Compact(all), " ")
			}
			other(c.open)
			w.exec("insert into t values (2)")
			first := w.mustSync(cat, "").streams["public-t"]
			if ids(first) != "0 2" {
				t.Fatalf("first run: %s", ids(first))
			}
			second := w.mustSync(cat, first.state()).streams["public-t"] // it is open still
			w.exec("insert into t values (3)")
			if c.write != "" {
				other(c.write)
			}
			other("commit")
			third := w.mustSync(cat, second.state()).streams["public-t"]
			if n := len(third.rows); n < 2 || n > 3 && c.name != "day" || !slices.Contains(third.column("id"), "1") || !slices.Contains(third.column("id"), "3") {
				t.Fatalf("after %s: %v", second.state(), third.rows)
			}
			fourth := w.mustSync(cat, third.state()).streams["public-t"]
			if late := strings.Contains(fourth.state(), "elt_late"); late && strings.Contains(c.key, "nextval") || len(fourth.rows) > 4 {
				t.Errorf("with nothing open: %v, %s", fourth.rows, fourth.state())
			}
		})
	}
}

// Where a role may not see since when others work, what they write late comes
// all the same.
func TestRowsThatCommitLateUnderAnyRole(t *testing.T) {
	w := newWorld(t)
	other := w.another(t)
	role := "reader_of_" + w.cfg["database"].(string)
	w.exec(fmt.Sprintf("create table t (id int, k timestamptz default now()); insert into t values (0); create role %s login; grant select on t to %[1]s", role))
	t.Cleanup(func() { w.exec(fmt.Sprintf("drop owned by %s; drop role %[1]s", role)) })
	login := fmt.Sprintf(`{"user": %q}`, role)
	cat := w.catalog("{}", "public-t=k")
	state := ""
	for round := range 4 {
		other("begin; select 1")
		w.exec(fmt.Sprintf("insert into t values (%d)", 10*round+1))
		got := w.mustSync(cat, state, login).streams["public-t"]
		if round > 0 && !slices.Contains(got.column("id"), fmt.Sprint(10*round-9)) {
			t.Errorf("round %d: the late row is missing in %v", round, got.rows)
		}
		if round > 0 && len(got.rows) > 4 {
			t.Errorf("round %d: %d rows", round, len(got.rows))
		}
		state = got.state()
		other(fmt.Sprintf("insert into t values (%d); commit", 10*round+1))
	}
	if !strings.Contains(state, `"from":"20`) {
		t.Errorf("no least key is known: %s", state)
	}
}

// Sessions that write for a while and commit in any order, while runs follow
// each other: nothing is lost.
func TestConcurrentTransactionsLoseNothing(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table by_time (id serial primary key, k timestamptz default now()); create table by_number (id bigserial primary key)`)
	cat := w.catalog("{}", "public-by_time=k", "public-by_number=id")
	var writers sync.WaitGroup
	for n := range 6 {
		write := w.another(t)
		random := rand.New(rand.NewPCG(1, uint64(n)))
		writers.Go(func() {
			for range 40 {
				write("begin")
				pause := func() { time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond) }
				pause()
				for range 1 + random.IntN(3) {
					write("insert into by_time default values; insert into by_number default values")
					pause()
				}
				write("commit")
			}
		})
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	seen := map[string]map[string]bool{"public-by_time": {}, "public-by_number": {}}
	state := map[string]string{}
	runs, last := 0, false
	for !last {
		select {
		case <-written:
			last = true
		default:
		}
		all := []string{}
		for _, s := range state {
			all = append(all, s)
		}
		out := w.mustSync(cat, `{"bookmarks":{`+strings.Join(all, ",")+`}}`)
		for id, s := range out.streams {
			for _, row := range s.column("id") {
				seen[id][row] = true
			}
			state[id] = fmt.Sprintf("%q:%s", id, s.positions[len(s.positions)-1].Value)
		}
		runs++
	}
	for id, rows := range seen {
		var want int
		if err := w.conn.QueryRow(context.Background(), "select count(*) from "+strings.TrimPrefix(id, "public-")).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if len(rows) != want {
			t.Errorf("%s: %d of %d rows came in %d runs", id, len(rows), want, runs)
		}
	}
	if runs < 5 {
		t.Errorf("only %d runs met the writers", runs)
	}
}

func TestLookBack(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, ts timestamptz, d date, n int, x numeric, c text);
		insert into t select n, '2024-01-01'::timestamptz + n * interval '1 hour', '2024-01-01'::date + n / 24, n, n / 2.0, n from generate_series(1, 100) n`)
	for _, c := range []struct {
		key, back string
		rows      int
	}{{"ts", "3 hours", 4}, {"n", "10", 11}, {"n", "1.5", 3}, {"x", "0.5", 2}, {"d", "1 hour", 29}} {
		cat := w.catalog("{}", "public-t="+c.key)
		cfg := fmt.Sprintf(`{"incremental_lookback": %q}`, c.back)
		first := w.mustSync(cat, "", cfg).streams["public-t"]
		if got := w.mustSync(cat, first.state(), cfg).streams["public-t"]; len(first.rows) != 100 || len(got.rows) != c.rows || got.state() != first.state() {
			t.Errorf("%s less %s reads %d rows, want %d", c.key, c.back, len(got.rows), c.rows)
		}
	}
	w.exec("create table keyless (n int)")
	for _, c := range []struct{ stream, back, want string }{
		{"public-t=ts", "10", "does not fit the replication key"},
		{"public-t=n", "1 hour", "does not fit the replication key"},
		{"public-t=c", "1", "does not fit the replication key"},
		{"public-keyless=n", "1", "without a key nothing would merge them"},
	} {
		if _, err := w.sync(w.catalog("{}", c.stream), "", fmt.Sprintf(`{"incremental_lookback": %q}`, c.back)); err == nil || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%s less %s: %v", c.stream, c.back, err)
		}
	}
}
