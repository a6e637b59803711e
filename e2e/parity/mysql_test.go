package parity

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"elt/internal/fake/mariadb"
)

// maria is the server of all tests, started by the first that needs it.
var maria struct {
	sync.Once
	server *mariadb.Server
	err    error

	mu        sync.Mutex
	databases int
}

var mysqlTables = []string{
	"create table kinds (id int primary key, seq bigint not null, b tinyint(1), u bigint unsigned, bits bit(12), d decimal(65,30), f float, r double, day date, at datetime(6), ts timestamp(6) null, clock time(6), t varchar(99), s set('a','é'), x varbinary(9), g geometry)",
	"insert into kinds (id, seq) values (0, 0)",
	`insert into kinds values (1, 1, 1, 18446744073709551615, b'101', '-1.000000000000000000000000000001', 0.1, 5e-324, '2024-02-29', '9999-12-31 23:59:59.999999', '2024-01-02 03:04:05.6', '23:59:59.999999', 'a\n"é😀', 'a,é', x'00ff', st_geomfromtext('POINT(1 2)'))`,
	"insert into kinds values (2, 1, 7, 0, b'0', 0, 16777216, -1e300, '0000-00-00', '0000-00-00', null, '-838:59:59', '', '', '', null)",
	"create table keyless (seq int, t text)", "insert into keyless values (1, 'x'), (1, 'x'), (2, null), (null, ''), (null, '')",
	"create table empty (id int primary key, seq datetime)",
	"create table `Odd Näme` (`Sp ace` varchar(20) primary key, seq timestamp not null, `select` int)", "insert into `Odd Näme` values ('a', '2024-01-01', 1), ('', '2024-01-02', 2)",
	"create table many (id int primary key, seq int not null, v text)", "insert into many select seq, seq div 3, concat('v', seq) from seq_1_to_25000",
}

var mysqlChanges = []string{
	"insert into kinds (id, seq, u, t) values (100, 100, 7, 'new')", "update kinds set seq = 101, t = 'changed' where id = 1",
	"insert into keyless values (2, 'y'), (3, 'z')", "insert into empty values (1, '2024-05-06 07:08:09')",
	"alter table `Odd Näme` add column note text", "insert into `Odd Näme` values ('b', '2024-06-01', null, 'n')",
	"insert into many values (25001, 8333, 'x'), (25002, 8334, 'y')",
}

func mysqlSource(t *testing.T, dialect, method string) reading {
	maria.Do(func() {
		maria.server, maria.err = mariadb.Start("--log-bin=log", "--server-id=1", "--binlog-format=ROW")
	})
	if maria.err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("scripts/need jdbc should have installed mariadb-server: %v", maria.err)
		}
		t.Skipf("tap-mysql cannot be tried here: %v", maria.err)
	}
	maria.mu.Lock()
	maria.databases++
	name := fmt.Sprintf("shop_%d", maria.databases)
	maria.mu.Unlock()
	exec := func(t *testing.T, database string, statements ...string) {
		t.Helper()
		db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", maria.server.Port, database))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	exec(t, "", "create database "+name+" character set utf8mb4")
	exec(t, name, mysqlTables...)
	metadata := "{'*': {selected: true}}"
	if method == "INCREMENTAL" {
		metadata = "{'*': {selected: true, replication-method: INCREMENTAL, replication-key: seq}}"
	}
	changes := mysqlChanges
	if method == "LOG_BASED" {
		metadata = "{'*': {selected: true, replication-method: LOG_BASED}}"
		changes = slices.Concat(changes, []string{
			"update kinds set s = 'é', clock = '-00:00:01.5', d = 7, bits = b'111', g = st_geomfromtext('POINT(3 4)') where id = 2", "update many set id = 30000 where id = 5", "delete from many where id between 10 and 2000",
			"update `Odd Näme` set `select` = 9", "delete from `Odd Näme` where `Sp ace` = ''",
		})
	}
	return reading{
		tap: "tap-mysql", metadata: metadata,
		config: fmt.Sprintf("{host: 127.0.0.1, port: %d, user: root, database: %s, filter_dbs: [%s], dialect: %s}", maria.server.Port, name, name, dialect),
		change: func(t *testing.T) { exec(t, name, changes...) },
	}
}
