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

	_ "github.com/go-sql-driver/mysql"

	"elt/internal/fake/mariadb"
)

// The binlog of MariaDB is followed while runner, tap, target and the
// database's server are killed at random moments: at the end the destination
// is what the source is.
func TestBinlogKill(t *testing.T) {
	changes, kills := 2_000, 3
	if os.Getenv("ELT_TEST_LONG") != "" {
		changes, kills = 60_000, 40
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	for i, flags := range [][]string{nil, {"--no-fuse"}} {
		t.Run(strings.TrimSpace("into sqlite "+strings.Join(flags, "")), func(t *testing.T) {
			b := newBinlogged(t, flags, i == 1, rand.New(rand.NewPCG(seed, uint64(i))))
			for n := range kills {
				for until := (n + 1) * changes / kills; b.changed < until; {
					b.change()
				}
				if n == kills/2 { // rows of before and after it come with one run
					b.source("use shop; insert into `lines` values (9000000, 0, 1); truncate `lines`; insert into `lines` select seq, 0, seq from seq_1_to_300")
				}
				b.killOnce()
				if t.Failed() {
					return
				}
			}
			b.complete()
			b.complete()
			t.Logf("%d changes, %d runs, of which %d were broken off; killed: %v", b.changed, b.runs, b.broken, b.rounds)
			b.same("orders", "id, n, note, big")
			b.same("lines", "a, b, v")
		})
	}
}

// binlogged is a source whose binlog is followed.
type binlogged struct {
	t       *testing.T
	server  *mariadb.Server
	db      *sql.DB
	random  *rand.Rand
	dir     string
	flags   []string
	rounds  map[string]int
	broken  int
	runs    int
	changed int
	next    int // a free key
}

func newBinlogged(t *testing.T, flags []string, gtid bool, random *rand.Rand) *binlogged {
	// What it has committed survives its process.
	server, err := mariadb.Start("--log-bin=log", "--server-id=1", "--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=2")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("scripts/need should have installed mariadb-server: %v", err)
		}
		t.Skipf("MariaDB is not there, apt-get install mariadb-server: %v", err)
	}
	t.Cleanup(server.Stop)
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/?multiStatements=true", server.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &binlogged{t: t, server: server, db: db, random: random, dir: t.TempDir(), flags: flags, rounds: map[string]int{}, next: 5000}
	b.source("create database shop; create table shop.orders (id int primary key, n int, note varchar(20), big text); create table shop.lines (a int, b int, v decimal(40,12), primary key (a, b)); create table shop.quiet (id int primary key)")
	b.source("use shop; insert into shop.orders select seq, 0, 'n', repeat(md5(seq), 100) from seq_1_to_1000; insert into shop.lines select seq, seq % 7, seq from seq_1_to_1000")
	write(t, filepath.Join(b.dir, "elt.yml"), fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-mysql
    config: {host: 127.0.0.1, port: %d, user: root, database: shop, connect_retry_seconds: 30, use_gtid: %v}
    metadata: {"*": {replication-method: LOG_BASED}}
  loaders:
  - name: target-sqlite
    config: {database: out.db, batch_size_rows: 300, hard_delete: true}
`, server.Port, gtid))
	return b
}

// source runs SQL at the source, whatever its server is going through. A
// transaction that was not answered is not known to have happened, and
// everything that the test does may happen twice.
func (b *binlogged) source(sql string) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, err := b.db.ExecContext(ctx, sql)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%.200s: %v", sql, err)
		}
	}
}

// change is one transaction with some changes: rows that are new, changed,
// given another key, deleted.
func (b *binlogged) change() {
	var sql strings.Builder
	sql.WriteString("use shop; begin;")
	for range 1 + b.random.IntN(60) {
		id := 1 + b.random.IntN(b.next)
		switch b.random.IntN(10) {
		case 0, 1, 2:
			b.next++
			fmt.Fprintf(&sql, "insert into orders values (%d, 0, 'new', repeat(md5('%d'), 100));", b.next, b.random.Int())
		case 3, 4:
			fmt.Fprintf(&sql, "update orders set n = n + 1 where id >= %d order by id limit 2;", id)
		case 5:
			fmt.Fprintf(&sql, "update orders set big = repeat(md5('%d'), 90), note = null where id >= %d order by id limit 1;", b.random.Int(), id)
		case 6:
			b.next++
			fmt.Fprintf(&sql, "update orders set id = %d where id >= %d order by id limit 1;", b.next, id)
		case 7:
			fmt.Fprintf(&sql, "delete from orders where id >= %d order by id limit 1;", id)
		case 8:
			fmt.Fprintf(&sql, "update `lines` set v = v * 1.5, b = b + %d where a = %d;", b.random.IntN(2), 1+b.random.IntN(1000))
		case 9:
			b.next++
			fmt.Fprintf(&sql, "insert ignore into `lines` values (%d, %d, %d.25); delete from `lines` where a = %d;", b.next, b.next%7, b.next, 1+b.random.IntN(b.next))
		}
		b.changed++
	}
	end := "commit;"
	switch b.random.IntN(100) {
	case 0:
		end = "rollback;"
	case 1:
		end += "truncate `lines`; insert into `lines` select seq, 0, seq from seq_1_to_500;"
	case 2:
		end += "flush logs;"
	}
	b.source(sql.String() + end)
}

func (b *binlogged) command() *exec.Cmd {
	cmd := exec.Command(elt, append([]string{"run", "tap-mysql", "target-sqlite"}, b.flags...)...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "NO_COLOR=1")
	return cmd
}

// killOnce kills one of those who take part, at a random moment of a run.
func (b *binlogged) killOnce() {
	victims, names := map[string]func(string) bool{"child": has(" fuse")}, []string{"runner", "child", "server"}
	if len(b.flags) > 0 {
		victims = map[string]func(string) bool{"tap": has(" tap tap-mysql "), "target": has(" target target-")}
		names = []string{"runner", "tap", "target", "server"}
	}
	victim := names[b.random.IntN(len(names))]
	b.rounds[victim]++
	b.runs++
	run := b.command()
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	mark := fmt.Sprintf("ELT_CRASH_MARK=%d-binlog-%d", os.Getpid(), time.Now().UnixNano())
	run.Env = append(run.Env, mark)
	if err := run.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	time.Sleep(time.Duration(b.random.Int64N(int64(1200 * time.Millisecond))))
	var err error
	if victim == "server" {
		if err := b.server.Restart(); err != nil {
			b.t.Fatal(err)
		}
		err = <-ended
	} else {
		err = kill(run, ended, func() []process { return marked(mark, b.dir) }, victims[victim])
	}
	if err != nil {
		b.broken++
	}
	if left := survivors(mark, b.dir, soon); len(left) > 0 {
		for _, p := range left {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
		b.t.Errorf("five seconds after the %s was killed these still run: %v\n%s", victim, left, &out)
	}
}

// complete runs without a disturbance: nobody had to clear anything up.
func (b *binlogged) complete() {
	b.t.Helper()
	b.runs++
	if out, err := b.command().CombinedOutput(); err != nil {
		b.t.Fatalf("a run that nobody disturbed fails: %v\n%s", err, out)
	}
}

func (b *binlogged) same(table, columns string) {
	b.t.Helper()
	to, err := sql.Open("sqlite3", filepath.Join(b.dir, "out.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer to.Close()
	var name string
	if err := to.QueryRow("select name from sqlite_master where type = 'table' and name like '%" + table + "'").Scan(&name); err != nil {
		b.t.Fatal(err)
	}
	want := lines(b.t, b.db, "select "+columns+" from shop.`"+table+"` order by 1, 2")
	got := lines(b.t, to, "select "+columns+" from \""+name+"\" order by 1, 2")
	b.t.Logf("table %s: %d rows", table, len(want))
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			b.t.Fatalf("table %s has %d rows at the source, %d at the destination; row %d differs:\n%.200v\n%.200v", table, len(want), len(got), i, at(want, i), at(got, i))
		}
	}
}
