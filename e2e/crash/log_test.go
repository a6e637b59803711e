package crash

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
)

// The log of a database is followed while runner, tap, target and the
// database's server are killed at random moments: at the end the destination
// is what the source is, the slot is there, and the server keeps little log.
func TestLogBasedKill(t *testing.T) {
	changes, kills := 4_000, 3
	if os.Getenv("ELT_TEST_LONG") != "" {
		changes, kills = 200_000, 60
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	for _, kind := range []string{"postgres", "sqlite"} {
		for _, flags := range [][]string{nil, {"--no-fuse"}} {
			t.Run(strings.TrimSpace("into "+kind+" "+strings.Join(flags, "")), func(t *testing.T) {
				f := newFollowing(t, kind, flags, rand.New(rand.NewPCG(seed, uint64(len(kind)+len(flags)))))
				f.follow(changes/4, kills)
			})
		}
	}
}

// following is a source whose changes are followed.
type following struct {
	t       *testing.T
	server  *pgtest.Server
	random  *rand.Rand
	kind    string
	dir     string
	flags   []string
	target  string // URL of a target that is PostgreSQL
	rounds  map[string]int
	broken  int
	runs    int
	changed int
	next    int // a free key
}

func newFollowing(t *testing.T, kind string, flags []string, random *rand.Rand) *following {
	f := &following{t: t, server: pgtest.NewServer(t), random: random, kind: kind, dir: t.TempDir(), flags: flags, rounds: map[string]int{}, next: 5000}
	f.source("create table orders (id int primary key, n int, note text, big text); alter table orders alter big set storage external")
	f.source("create table lines (a int, b int, v numeric, primary key (a, b)); create table quiet (id int primary key)")
	f.source("insert into orders select i, 0, 'n', repeat(md5(i::text), 100) from generate_series(1, 1000) i; insert into lines select i, i % 7, i from generate_series(1, 1000) i")
	from, err := url.Parse(f.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	loader := "{database: out.db, batch_size_rows: 300, hard_delete: true}"
	if kind == "postgres" {
		f.target = pgtest.URL(t)
		to, err := url.Parse(f.target)
		if err != nil {
			t.Fatal(err)
		}
		loader = fmt.Sprintf("{host: %s, port: %s, user: %s, database: %s, default_target_schema: public, batch_size_rows: 300}",
			to.Hostname(), to.Port(), to.User.Username(), strings.TrimPrefix(to.Path, "/"))
	}
	write(t, filepath.Join(f.dir, "elt.yml"), fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-postgres
    config: {host: %s, port: %s, user: %s, database: %s, connect_retry_seconds: 20}
    metadata: {"*": {replication-method: LOG_BASED}}
  loaders:
  - name: target-%s
    config: %s
`, from.Hostname(), from.Port(), from.User.Username(), strings.TrimPrefix(from.Path, "/"), kind, loader))
	return f
}

// source runs SQL at the source, whatever its server is going through.
func (f *following) source(sql string) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		conn, err := pgx.Connect(ctx, f.server.URL())
		if err == nil {
			_, err = conn.Exec(ctx, sql)
			conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("%.200s: %v", sql, err)
		}
	}
}

// change is one transaction with some changes: rows that are new, changed
// (with and without their large value), given another key, deleted.
func (f *following) change() {
	var sql strings.Builder
	sql.WriteString("begin;")
	for range 1 + f.random.IntN(60) {
		id := 1 + f.random.IntN(f.next)
		switch f.random.IntN(10) {
		case 0, 1, 2:
			f.next++
			fmt.Fprintf(&sql, "insert into orders values (%d, 0, 'new', repeat(md5('%d'), 100));", f.next, f.random.Int())
		case 3, 4:
			fmt.Fprintf(&sql, "update orders set n = n + 1 where id = (select min(id) from orders where id >= %d);", id)
		case 5:
			fmt.Fprintf(&sql, "update orders set big = repeat(md5('%d'), 90), note = null where id = (select min(id) from orders where id >= %d);", f.random.Int(), id)
		case 6:
			f.next++
			fmt.Fprintf(&sql, "update orders set id = %d where id = (select min(id) from orders where id >= %d);", f.next, id)
		case 7:
			fmt.Fprintf(&sql, "delete from orders where id = (select min(id) from orders where id >= %d);", id)
		case 8:
			fmt.Fprintf(&sql, "update lines set v = v * 1.5, b = b + %d where a = %d;", f.random.IntN(2), 1+f.random.IntN(1000))
		case 9:
			f.next++
			fmt.Fprintf(&sql, "insert into lines values (%d, %d, %d.25) on conflict do nothing; delete from lines where a = %d;", f.next, f.next%7, f.next, 1+f.random.IntN(f.next))
		}
		f.changed++
	}
	if f.random.IntN(200) == 0 {
		sql.WriteString("truncate lines; insert into lines select i, 0, i from generate_series(1, 500) i;")
	}
	f.source(sql.String() + "commit;")
}

func (f *following) command() *exec.Cmd {
	cmd := exec.Command(elt, append([]string{"run", "tap-postgres", "target-" + f.kind}, f.flags...)...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "NO_COLOR=1")
	return cmd
}

func (f *following) follow(changes, kills int) {
	f.t.Helper()
	per := changes / kills
	for n := range kills {
		for until := (n + 1) * per; f.changed < until; {
			f.change()
		}
		f.killOnce()
		if f.t.Failed() {
			return
		}
	}
	before := f.log()
	f.complete()
	f.complete() // in two processes the server hears of the bookmark when the next run begins
	f.t.Logf("%d changes, %d runs, of which %d were broken off; killed: %v", f.changed, f.runs, f.broken, f.rounds)
	for table, columns := range map[string]string{"orders": "id, n, note, big", "lines": "a, b, v"} {
		f.same(table, columns)
	}
	f.slot(before)
}

// killOnce kills one of those who take part, at a random moment of a run.
func (f *following) killOnce() {
	victims := map[string]func(string) bool{"runner": nil, "child": has(" fuse"), "server": nil}
	if len(f.flags) > 0 {
		victims = map[string]func(string) bool{"runner": nil, "tap": has(" tap tap-postgres "), "target": has(" target target-"), "server": nil}
	}
	names := []string{"runner", "child", "tap", "target", "server"}
	victim := names[f.random.IntN(len(names))]
	match, ok := victims[victim]
	for !ok {
		victim = names[f.random.IntN(len(names))]
		match, ok = victims[victim]
	}
	f.rounds[victim]++
	f.runs++
	run := f.command()
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	mark := fmt.Sprintf("ELT_CRASH_MARK=%d-log-%d", os.Getpid(), time.Now().UnixNano())
	run.Env = append(run.Env, mark)
	if err := run.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	time.Sleep(time.Duration(f.random.Int64N(int64(1200 * time.Millisecond))))
	var err error
	if victim == "server" {
		f.server.Stop()
		f.server.Start()
		err = <-ended
	} else {
		err = kill(run, ended, func() []process { return marked(mark, f.dir) }, match)
	}
	if err != nil {
		f.broken++
	}
	if left := survivors(mark, f.dir, soon); len(left) > 0 {
		for _, p := range left {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
		f.t.Errorf("five seconds after the %s was killed these still run: %v\n%s", victim, left, &out)
	}
}

// complete runs without a disturbance: nobody had to clear anything up.
func (f *following) complete() {
	f.t.Helper()
	f.runs++
	if out, err := f.command().CombinedOutput(); err != nil {
		f.t.Fatalf("a run that nobody disturbed fails: %v\n%s", err, out)
	}
}

func (f *following) same(table, columns string) {
	f.t.Helper()
	from, err := sql.Open("pgx", f.server.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	defer from.Close()
	driver, address := "sqlite3", filepath.Join(f.dir, "out.db")
	if f.kind == "postgres" {
		driver, address = "pgx", f.target
	}
	to, err := sql.Open(driver, address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer to.Close()
	where := ""
	if f.kind == "postgres" { // deletions are marked
		where = " where _sdc_deleted_at is null"
	}
	want := lines(f.t, from, "select "+columns+" from "+table+" order by 1, 2")
	got := lines(f.t, to, "select "+columns+" from "+table+where+" order by 1, 2")
	f.t.Logf("table %s: %d rows", table, len(want))
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			f.t.Fatalf("table %s has %d rows at the source, %d at the destination; row %d differs:\n%.200v\n%.200v", table, len(want), len(got), i, at(want, i), at(got, i))
		}
	}
}

func at(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return "nothing"
}

func lines(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(cells))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// log is where the source's log ends.
func (f *following) log() (lsn string) {
	f.t.Helper()
	f.ask("select pg_current_wal_lsn()::text", &lsn)
	return lsn
}

func (f *following) ask(query string, into ...any) {
	f.t.Helper()
	conn, err := pgx.Connect(context.Background(), f.server.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), query).Scan(into...); err != nil {
		f.t.Fatal(err)
	}
}

// slot wants the tap's slot, one and no other, to have let go of the log that
// was there before the last runs.
func (f *following) slot(before string) {
	f.t.Helper()
	var slots int
	var status string
	var behind, kept, written int64
	f.ask("select count(*), max(wal_status), max('"+before+"'::pg_lsn - confirmed_flush_lsn)::int8, max(pg_current_wal_lsn() - restart_lsn)::int8, (pg_current_wal_lsn() - '0/0')::int8 from pg_replication_slots",
		&slots, &status, &behind, &kept, &written)
	f.t.Logf("the slot is %s; of %d MB of log it keeps %d KB", status, written>>20, kept>>10)
	if slots != 1 || status != "reserved" || behind > 0 {
		f.t.Errorf("%d slots, %s, %d bytes behind what the last runs began with", slots, status, behind)
	}
}
