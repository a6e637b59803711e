package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
)

// The log of a database is followed while runner, tap, target and the
// database's server are killed at random moments: at the end the destination
// is what the source is, the slot is there, and the server lets go of the log.
func TestLogBasedKill(t *testing.T) {
	t.Parallel()
	changes, kills := 4_000, 3
	if os.Getenv("ELT_TEST_LONG") != "" {
		changes, kills = 200_000, 60
	}
	seed := randomness(t)
	for _, kind := range []string{"postgres", "sqlite"} {
		for _, flags := range [][]string{nil, {"--no-fuse"}} {
			t.Run(strings.TrimSpace("into "+kind+" "+strings.Join(flags, "")), func(t *testing.T) {
				server := pgtest.NewServer(t)
				target, address := "{database: out.db, batch_size_rows: 300, hard_delete: true}", ""
				if kind == "postgres" {
					address = pgtest.URL(t)
					target = fmt.Sprintf("{%s, default_target_schema: public, batch_size_rows: 300}", connection(t, address))
				}
				f := newFollowing(t, followedPostgres(t, server), kind, target, flags, rand.New(rand.NewPCG(seed, uint64(len(kind)+len(flags)))))
				f.target = address
				f.source(`create table orders (id int primary key, n int, note text, big text); alter table orders alter big set storage external;
					create table lines (a int, b int, v numeric, primary key (a, b)); create table quiet (id int primary key);
					insert into orders select i, 0, 'n', repeat(md5(i::text), 100) from generate_series(1, 1000) i; insert into lines select i, i % 7, i from generate_series(1, 1000) i`)
				f.follow(changes/4, kills)
				f.letsGo()
			})
		}
	}
}

func followedPostgres(t *testing.T, server *pgtest.Server) followed {
	return followed{
		tap: "tap-postgres", config: "{" + connection(t, server.URL()) + ", connect_retry_seconds: 20}",
		driver: "pgx", address: server.URL(),
		exec: func(ctx context.Context, text string) error {
			conn, err := pgx.Connect(ctx, server.URL())
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, text)
			return err
		},
		restart: func() { server.Restart() },
		open:    "begin;",
		one:     "where id = (select min(id) from orders where id >= %d)",
		insert:  "insert into lines values (%d, %d, %d.25) on conflict do nothing;",
		lines:   "lines",
		endings: []string{"rollback;", "truncate lines; insert into lines select i, 0, i from generate_series(1, 500) i; commit;"},
	}
}

// connection is an address as settings of a tap or target.
func connection(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("host: %s, port: %s, user: %s, database: %s", u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
}

// ask is the one value that a query of the source gives, as text.
func (f *following) ask(query string) (text string) {
	f.t.Helper()
	conn, err := pgx.Connect(context.Background(), f.db.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), "select ("+query+")::text").Scan(&text); err != nil {
		f.t.Fatal(err)
	}
	return text
}

// letsGo wants the tap's slot, one and no other, to let go of the log that was
// there before some runs which nobody disturbs. The server goes back to notes
// that it makes of who is at work: so there must be some, and changes to read.
func (f *following) letsGo() {
	f.t.Helper()
	before := f.ask("select pg_current_wal_lsn()")
	f.t.Logf("before the last runs the slot kept %s bytes of %s", f.ask("select pg_current_wal_lsn() - restart_lsn from pg_replication_slots"), f.ask("select pg_current_wal_lsn() - '0/0'"))
	for range 3 {
		f.source("update orders set n = n where id = (select min(id) from orders)")
		f.source("checkpoint")
		f.complete()
		f.complete() // in two processes the server hears of the bookmark when the next run begins
	}
	state := f.ask("select string_agg(wal_status || case when restart_lsn < '" + before + "' then ', kept' else ', let go' end, '; ') from pg_replication_slots")
	f.t.Logf("the slot is %s", state)
	if state != "reserved, let go" {
		f.t.Errorf("what the server keeps, of before %s: %s", before, state)
	}
}
