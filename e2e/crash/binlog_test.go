package crash

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"elt/internal/fake/mariadb"
)

// The binlog of MariaDB is followed while runner, tap, target and the
// database's server are killed at random moments: at the end the destination
// is what the source is. It is read by file and position, and by GTID.
func TestBinlogKill(t *testing.T) {
	t.Parallel()
	changes, kills := 2_000, 3
	if os.Getenv("ELT_TEST_LONG") != "" {
		changes, kills = 60_000, 40
	}
	seed := randomness(t)
	for i, flags := range [][]string{nil, {"--no-fuse"}} {
		t.Run(strings.TrimSpace("into sqlite "+strings.Join(flags, "")), func(t *testing.T) {
			f := newFollowing(t, followedMariaDB(t, i == 1), "sqlite", "{database: out.db, batch_size_rows: 300, hard_delete: true}", flags, rand.New(rand.NewPCG(seed, uint64(i))))
			f.source("create table orders (id int primary key, n int, note varchar(20), big text); create table `lines` (a int, b int, v decimal(40,12), primary key (a, b)); create table quiet (id int primary key)")
			f.source("insert into orders select seq, 0, 'n', repeat(md5(seq), 100) from seq_1_to_1000; insert into `lines` select seq, seq % 7, seq from seq_1_to_1000")
			f.follow(changes, kills)
		})
	}
}

func followedMariaDB(t *testing.T, gtid bool) followed {
	// What it has committed survives its process.
	server, err := mariadb.Start("--log-bin=log", "--server-id=1", "--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=2")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("scripts/need should have installed mariadb-server: %v", err)
		}
		t.Skipf("MariaDB is not there, apt-get install mariadb-server: %v", err)
	}
	t.Cleanup(server.Stop)
	open := func(database string) *sql.DB {
		db, err := sql.Open("mysql", address(server, database))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	if _, err := open("").Exec("create database shop"); err != nil {
		t.Fatal(err)
	}
	db := open("shop")
	return followed{
		tap: "tap-mysql", config: fmt.Sprintf("{host: 127.0.0.1, port: %d, user: root, database: shop, connect_retry_seconds: 30, use_gtid: %v}", server.Port, gtid),
		driver: "mysql", address: address(server, "shop"),
		exec: func(ctx context.Context, text string) error { _, err := db.ExecContext(ctx, text); return err },
		restart: func() {
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
		},
		open:    "begin;",
		one:     "where id >= %d order by id limit 1",
		insert:  "insert ignore into `lines` values (%d, %d, %d.25);",
		lines:   "`lines`",
		endings: []string{"rollback;", "commit; truncate `lines`; insert into `lines` select seq, 0, seq from seq_1_to_500;", "commit; flush logs;"},
		halfway: "insert into `lines` values (9000000, 0, 1); truncate `lines`; insert into `lines` select seq, 0, seq from seq_1_to_300", // in one run
	}
}

func address(server *mariadb.Server, database string) string {
	return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?multiStatements=true", server.Port, database)
}
