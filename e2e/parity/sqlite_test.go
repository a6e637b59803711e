package parity

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// sqliteTables have a value of each storage class where the declared type
// says otherwise, so that schemas change in the middle of a stream.
const sqliteTables = `
create table kinds (id integer primary key, seq int not null, b boolean, i int, n numeric, d decimal(12,2), r real, t text, day date, at datetime, zoned timestamptz, clock time, j json, u uuid, x blob, any_);
insert into kinds (id, seq) values (0, 0);
insert into kinds values (1, 1, 1, -9223372036854775808, '12345678901234567890.123', 12.5, 0.1, 'a' || char(10) || '"é"', '2024-02-29', '2024-01-02 03:04:05.678901',
	'2024-01-02T03:04:05+02:00', '23:59:59.999999', '{"a":[1.10,null]}', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', x'00ff', 1);
insert into kinds values (2, 1, 0, 9223372036854775807, 1e-20, -9999999999.99, 5e-324, '', '0001-01-01', '9999-12-31', 'infinity', '00:00', 'null', null, x'', 2.5);
insert into kinds values (3, 2, 7, 1.5, 'none', 1.005, 'n/a', x'01ff', '2024-02-29 10:00', '2024-02-29T10:00:00Z', 'soon', '1 o''clock', 'no json', 'no uuid', 'text', 'text');
create table keyless (seq int, t text); insert into keyless values (1, 'x'), (1, 'x'), (2, null), (null, ''), (null, '');
create table composite (a text, b int, seq real not null, v, primary key (a, b)) without rowid; insert into composite values ('', 0, 1.0, 1), ('', 1, 1.5, null), ('x', 0, 2.5, 3);
create table empty (id int primary key, seq datetime);
create table "Odd Näme" ("Sp ace" text primary key, seq timestamp not null, "select" int); insert into "Odd Näme" values ('a', '2024-01-01 00:00:00', 1), ('', '2024-01-02 00:00:00', 2);
create view totals as select t, seq, count(*) as n from keyless group by t, seq;
create table many (id integer primary key, seq int not null, v text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 25000) insert into many select i, i / 3, 'v' || i from n;
`

const sqliteChanges = `
insert into kinds (id, seq, i, t) values (100, 100, 7, 'new');
update kinds set seq = 101, t = 'changed' where id = 1;
insert into keyless values (2, 'y'), (3, 'z');
insert into composite values ('', 2, 9, 'later');
insert into empty values (1, '2024-05-06 07:08:09+02:00');
alter table "Odd Näme" add column note text;
insert into "Odd Näme" values ('b', '2024-06-01 00:00:00', null, 'n');
insert into many values (25001, 8333, 'x'), (25002, 8334, 'y');
`

func sqliteSource(t *testing.T, method string) reading {
	path := filepath.Join(t.TempDir(), "source.db")
	exec := func(t *testing.T, statements string) {
		t.Helper()
		db, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statements); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, sqliteTables)
	metadata := "{}"
	if method == "INCREMENTAL" {
		metadata = "{'*': {replication-method: INCREMENTAL, replication-key: seq}}"
	}
	return reading{
		tap: "tap-sqlite", config: fmt.Sprintf("{database: %q}", path), metadata: metadata,
		change: func(t *testing.T) { exec(t, sqliteChanges) },
	}
}
