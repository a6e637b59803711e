package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
)

// bothEnds is a project that copies two tables from one database of a server
// to another: one with a key, whole; one without, by a replication key.
type bothEnds struct {
	server       *pgtest.Server
	dir          string
	source, sink *wire
	rows         int
}

func newBothEnds(t *testing.T) *bothEnds {
	b := &bothEnds{server: pgtest.NewServer(t), dir: t.TempDir(), rows: 20_000}
	b.server.Exec("create database a", "create database b")
	b.exec(t, "a", fmt.Sprintf(`create table keyed (id int primary key, pad text); create table events (n bigint not null, pad text);
		insert into keyed select n, repeat('x', 300) from generate_series(1, %d) n; insert into events select n, repeat('y', 300) from generate_series(1, %[1]d) n`, b.rows))
	var from, to string
	b.source, from = newWire(t, b.url("a"))
	b.sink, to = newWire(t, b.url("b"))
	write(t, filepath.Join(b.dir, "elt.yml"), fmt.Sprintf(`default_environment: dev
environments:
- name: dev
plugins:
  extractors:
  - name: tap-postgres
    config: {sqlalchemy_url: %q, parallelism: 1}
    metadata: {public-events: {replication-method: INCREMENTAL, replication-key: n}}
  loaders:
  - name: target-postgres
    config: {sqlalchemy_url: %q, default_target_schema: raw, batch_size_bytes: 1000000}
`, from, to))
	return b
}

func (b *bothEnds) url(database string) string {
	return strings.Replace(b.server.URL(), "/postgres?", "/"+database+"?", 1)
}

func (b *bothEnds) exec(t *testing.T, database, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// run is a run's exit and what it said.
func (b *bothEnds) run(flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, elt, append([]string{"run"}, append(flags, "tap-postgres", "target-postgres")...)...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "NO_COLOR=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.String(), err
}

// check wants both tables to be what the source has. The row of the last
// key comes again with each run: without a key it may be there twice.
func (b *bothEnds) check(t *testing.T) {
	t.Helper()
	for query, want := range map[string]string{
		"select count(*) || ' ' || sum(id) || ' ' || min(pad) || max(pad) from raw.keyed":                                                            fmt.Sprint(b.rows, " ", b.rows*(b.rows+1)/2, " ", strings.Repeat("x", 600)),
		"select count(distinct n) || ' ' || sum(distinct n) || ' ' || (count(*) filter (where n < (select max(n) from raw.events))) from raw.events": fmt.Sprint(b.rows, " ", b.rows*(b.rows+1)/2, " ", b.rows-1),
	} {
		conn, err := pgx.Connect(context.Background(), b.url("b"))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := conn.QueryRow(context.Background(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %.60s, want %.60s (%v)", query, got, want, err)
		}
		conn.Close(context.Background())
	}
}

const endSessions = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"

// Whatever happens to the server or the way to it, the run either goes on or
// fails and says what it met; the next one loads all, and none of it twice.
func TestPostgresBreaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wire func(*bothEnds) *wire
		harm func(*testing.T, *bothEnds)
		says string // "": the run goes on
	}{
		{"the destination's backends are terminated", (*bothEnds).to, func(t *testing.T, b *bothEnds) { b.exec(t, "b", endSessions) }, "terminating connection due to administrator command"},
		{"the source's backends are terminated", (*bothEnds).from, func(t *testing.T, b *bothEnds) { b.exec(t, "a", endSessions) }, "terminating connection due to administrator command"},
		{"the server restarts", (*bothEnds).to, func(t *testing.T, b *bothEnds) { b.server.Stop(); b.server.Start() }, "terminating connection|because of crash|unexpected EOF|reset by peer|broken pipe|immediate shutdown"},
		{"the destination is cut off", (*bothEnds).to, func(t *testing.T, b *bothEnds) { b.sink.cut() }, "reset by peer|unexpected EOF|broken pipe"},
		{"the source is cut off", (*bothEnds).from, func(t *testing.T, b *bothEnds) { b.source.cut() }, "reset by peer|unexpected EOF"},
		{"the destination is silent for a while", (*bothEnds).to, func(t *testing.T, b *bothEnds) { b.sink.silence(pause()) }, ""},
		{"the source is silent for a while", (*bothEnds).from, func(t *testing.T, b *bothEnds) { b.source.silence(pause()) }, ""},
		{"the destination is silent and then cut off", (*bothEnds).to, func(t *testing.T, b *bothEnds) { b.sink.silence(pause()); b.sink.cut() }, "reset by peer|unexpected EOF|broken pipe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b *bothEnds
			var said string
			var err error
			for at := 500_000 + rand.Int64N(9_000_000); ; at = 500_000 {
				b = newBothEnds(t)
				c.wire(b).after(at, func() { c.harm(t, b) })
				said, err = b.run()
				select {
				case <-c.wire(b).struck: // a server that restarts may take longer than the run
				case <-time.After(time.Minute):
					t.Fatalf("nothing happened to the run: %v\n%s", err, said)
				}
				if c.says == "" || err != nil || at == 500_000 {
					break
				}
				b.check(t) // all was in the buffers of sockets when it happened: once more, sooner
			}
			switch {
			case c.says == "" && err != nil:
				t.Errorf("the run fails: %v\n%s", err, said)
			case c.says != "" && (err == nil || !regexp.MustCompile(c.says).MatchString(said)):
				t.Errorf("the run says (%v)\n%s", err, said)
			}
			if c.says != "" {
				if said, err := b.run(); err != nil {
					t.Fatalf("the next run: %v\n%s", err, said)
				}
			}
			b.check(t)
		})
	}
}

func (b *bothEnds) from() *wire { return b.source }
func (b *bothEnds) to() *wire   { return b.sink }

// pause is how long a connection is silent: a second, or up to sixty.
func pause() time.Duration {
	if os.Getenv("ELT_TEST_LONG") == "" {
		return time.Second
	}
	return time.Duration(1+rand.IntN(60)) * time.Second
}

// The disk of the destination is full: the run says so, and what it has
// committed stays; with more room the next one goes on.
func TestDiskOfTheDestinationIsFull(t *testing.T) {
	b := newBothEnds(t)
	disk, err := os.MkdirTemp("", "elt-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(disk) })
	if err := syscall.Mount("elt-test", disk, "tmpfs", 0, "size=4m,mode=777"); err != nil {
		t.Skipf("no disk of its own for this test (root may mount one): %v", err)
	}
	t.Cleanup(func() { b.server.Stop(); syscall.Unmount(disk, 0) })
	owned := filepath.Join(disk, "space")
	if err := os.Mkdir(owned, 0o700); err != nil {
		t.Fatal(err)
	}
	b.server.Owns(owned)
	b.server.Exec("create tablespace small location '"+owned+"'", "alter database b set default_tablespace = small")
	said, err := b.run()
	if err == nil || !strings.Contains(said, "No space left on device") {
		t.Errorf("the run says (%v)\n%s", err, said)
	}
	if err := syscall.Mount("elt-test", disk, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
		t.Fatal(err)
	}
	if said, err := b.run(); err != nil {
		t.Fatalf("the next run: %v\n%s", err, said)
	}
	b.check(t)
}

// A load of a table of several ranges is killed, the table changes, and the
// next run goes on with the ranges that are left.
func TestLargeTableIsGoneOnWith(t *testing.T) {
	b := newBothEnds(t)
	b.rows = 24_000
	b.exec(t, "a", fmt.Sprintf(`drop table keyed; drop table events; create table keyed (id int primary key, pad text) with (fillfactor = 10); alter table keyed alter pad set storage plain;
		insert into keyed select n, repeat('x', 800) from generate_series(1, %d) n`, b.rows)) // a row to a page
	run := exec.Command(elt, "run", "tap-postgres", "target-postgres")
	run.Dir, run.Env = b.dir, append(os.Environ(), "NO_COLOR=1")
	b.sink.after(12_000_000+rand.Int64N(6_000_000), func() { run.Process.Kill() })
	if err := run.Run(); err == nil {
		t.Fatal("the run was not killed")
	}
	b.exec(t, "a", `update keyed set pad = 'changed' where id in (1, 9000, 23999); insert into keyed values (24001, 'new')`)
	said, err := b.run("--log-level", "info")
	if err != nil || !strings.Contains(said, "going on where a run was interrupted") {
		t.Fatalf("the next run: %v\n%s", err, said)
	}
	conn, err := pgx.Connect(context.Background(), b.url("b"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var rows, ids, changed, fresh int
	if err := conn.QueryRow(context.Background(), "select count(*), count(distinct id), count(*) filter (where pad = 'changed'), count(*) filter (where pad = 'new') from raw.keyed").Scan(&rows, &ids, &changed, &fresh); err != nil {
		t.Fatal(err)
	}
	if rows != b.rows+1 || ids != rows || changed != 3 || fresh != 1 {
		t.Errorf("%d rows, %d ids, %d changed, %d new", rows, ids, changed, fresh)
	}
}
