package crash

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// followed is a database whose log is followed, and its words for what the
// test does to it. The tables are orders (id, n, note, big), lines (a, b, v)
// and quiet, which nobody changes.
type followed struct {
	tap, config     string
	driver, address string                                       // of database/sql
	exec            func(ctx context.Context, text string) error // several statements
	restart         func()                                       // kills the server and starts it again
	open            string                                       // begins a transaction
	one             string                                       // "where …": the order from a key on, of which there is at most one
	insert          string                                       // into lines, unless the key is there
	lines           string                                       // the table's name in SQL
	endings         []string                                     // of one transaction in a hundred each; the others end with commit
	halfway         string                                       // executed after half of the kills
}

// following is a source whose changes are followed by runs, one who takes part
// killed at a random moment of each.
type following struct {
	t       *testing.T
	db      followed
	random  *rand.Rand
	kind    string // of the target
	target  string // its URL, of PostgreSQL
	dir     string
	flags   []string
	rounds  map[string]int
	broken  int
	runs    int
	changed int
	next    int // a free key
}

// randomness is the seed of this run, which ELT_TEST_SEED repeats.
func randomness(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	return seed
}

// newFollowing writes the project; target is the loader's configuration.
func newFollowing(t *testing.T, db followed, kind, target string, flags []string, random *rand.Rand) *following {
	f := &following{t: t, db: db, random: random, kind: kind, dir: t.TempDir(), flags: flags, rounds: map[string]int{}, next: 5000}
	write(t, filepath.Join(f.dir, "elt.yml"), fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: %s
    config: %s
    metadata: {"*": {replication-method: LOG_BASED}}
  loaders:
  - name: target-%s
    config: %s
`, db.tap, db.config, kind, target))
	return f
}

// follow makes changes and kills, and then wants a run that nobody disturbs to
// bring all that is missing. The second one tells the server what it may
// forget where two processes run.
func (f *following) follow(changes, kills int) {
	f.t.Helper()
	for n := range kills {
		for until := (n + 1) * changes / kills; f.changed < until; {
			f.change()
		}
		if n == kills/2 && f.db.halfway != "" {
			f.source(f.db.halfway)
		}
		f.killOnce()
		if f.t.Failed() {
			return
		}
	}
	f.complete()
	f.complete()
	f.t.Logf("%d changes, %d runs, of which %d were broken off; killed: %v", f.changed, f.runs, f.broken, f.rounds)
	f.same("orders", "orders", "id, n, note, big")
	f.same("lines", f.db.lines, "a, b, v")
}

// source executes statements, whatever the server is going through. A
// transaction that was not answered is not known to have happened, and
// everything that the test does may happen twice.
func (f *following) source(text string) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := f.db.exec(ctx, text)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("%.200s: %v", text, err)
		}
	}
}

// change is one transaction with some changes: rows that are new, changed
// (with and without their large value), given another key, deleted.
func (f *following) change() {
	var b strings.Builder
	b.WriteString(f.db.open)
	for range 1 + f.random.IntN(60) {
		one := fmt.Sprintf(f.db.one, 1+f.random.IntN(f.next))
		switch f.random.IntN(10) {
		case 0, 1, 2:
			f.next++
			fmt.Fprintf(&b, "insert into orders values (%d, 0, 'new', repeat(md5('%d'), 100));", f.next, f.random.Int())
		case 3, 4:
			fmt.Fprintf(&b, "update orders set n = n + 1 %s;", one)
		case 5:
			fmt.Fprintf(&b, "update orders set big = repeat(md5('%d'), 90), note = null %s;", f.random.Int(), one)
		case 6:
			f.next++
			fmt.Fprintf(&b, "update orders set id = %d %s;", f.next, one)
		case 7:
			fmt.Fprintf(&b, "delete from orders %s;", one)
		case 8:
			fmt.Fprintf(&b, "update %s set v = v * 1.5, b = b + %d where a = %d;", f.db.lines, f.random.IntN(2), 1+f.random.IntN(1000))
		case 9:
			f.next++
			fmt.Fprintf(&b, f.db.insert+"delete from %s where a = %d;", f.next, f.next%7, f.next, f.db.lines, 1+f.random.IntN(f.next))
		}
		f.changed++
	}
	end := "commit;"
	if n := f.random.IntN(100); n < len(f.db.endings) {
		end = f.db.endings[n]
	}
	f.source(b.String() + end)
}

func (f *following) command() *exec.Cmd {
	cmd := exec.Command(elt, append([]string{"run", f.db.tap, "target-" + f.kind}, f.flags...)...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "NO_COLOR=1")
	return cmd
}

// killOnce kills one of those who take part, at a random moment of a run. A
// run that outlives the source's server has gone on by itself.
func (f *following) killOnce() {
	victims, names := map[string]func(string) bool{"child": has(" fuse")}, []string{"runner", "child", "server"}
	if len(f.flags) > 0 {
		victims = map[string]func(string) bool{"tap": has(" tap " + f.db.tap + " "), "target": has(" target target-")}
		names = []string{"runner", "tap", "target", "server"}
	}
	victim := names[f.random.IntN(len(names))]
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
		f.db.restart()
		err = <-ended
	} else {
		err = kill(run, ended, func() []process { return marked(mark, f.dir) }, victims[victim])
	}
	if err != nil {
		f.broken++
	}
	if left := survivors(mark, f.dir, 5*time.Second); len(left) > 0 {
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

// same wants a table to be the same at both ends, row for row.
func (f *following) same(table, source, columns string) {
	f.t.Helper()
	open := func(driver, address string) *sql.DB {
		db, err := sql.Open(driver, address)
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { db.Close() })
		return db
	}
	from, where := open(f.db.driver, f.db.address), ""
	var to *sql.DB
	if f.kind == "postgres" { // deletions are marked
		to, where = open("pgx", f.target), " where _sdc_deleted_at is null"
	} else {
		to = open("sqlite3", filepath.Join(f.dir, "out.db"))
		if err := to.QueryRow("select name from sqlite_master where type = 'table' and name like '%" + table + "'").Scan(&table); err != nil {
			f.t.Fatal(err)
		}
	}
	want := lines(f.t, from, "select "+columns+" from "+source+" order by 1, 2")
	got := lines(f.t, to, "select "+columns+` from "`+table+`"`+where+" order by 1, 2")
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
