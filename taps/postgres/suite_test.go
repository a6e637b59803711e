package postgres_test

import (
	"maps"
	"testing"

	"elt/taps/postgres"
	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table orders (id int8 primary key, placed timestamptz, total numeric(12,2), note text, tags text[], raw jsonb, ratio float8, day date, at time, doc bytea);
		insert into orders values (1, '2024-01-02 03:04:05.678901+02', 12.50, E'a\nb', '{a,NULL}', '{"a": [1, null]}', 0.1, '2024-02-29', '24:00', '\x00ff'),
			(2, '0001-01-01', -0.01, '', '{}', 'null', '1e-300', '9999-12-31', '00:00', ''), (3, null, null, null, null, null, null, null, null, null);
		create table lines (order_id int8, line int, primary key (order_id, line)); insert into lines select n, n % 7 from generate_series(1, 20000) n;
		create view totals as select order_id % 10 as digit, count(*) as lines from lines group by 1; create table empty (id int primary key)`)
	for _, dialect := range []string{"meltanolabs", "transferwise"} {
		cfg := maps.Clone(w.cfg)
		cfg["dialect"] = dialect
		rows := map[string]int{"public-orders": 3, "public-lines": 20000, "public-totals": 10, "public-empty": 0}
		t.Run(dialect, func(t *testing.T) {
			taptest.Run(t, postgres.New(), cfg, taptest.Expect{Rows: rows, Resumed: rows})
		})
	}
}
