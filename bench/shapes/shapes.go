//go:build linux

package main

import (
	"fmt"
	"strings"
)

// shape is a source and the routes that its rows take.
type shape struct {
	name   string
	sizes  []float64 // of -rows
	fixed  int       // rows, where -rows does not count
	tables int       // how many tables there are, all alike
	source func(rows int) (columns, query string)
	key    string
	routes []route
}

// route is one way: a floor, or what elt run is told.
type route struct {
	name   string
	floor  bool
	tap    string   // tap-postgres when empty
	target string   // "" of a floor
	flags  []string // of elt run
	seeded string   // "half", "all": rows that the keyed table has before
}

var (
	pgFloor   = route{name: "floor: psql binary COPY pipe", floor: true}
	dumpFloor = route{name: "floor: pg_dump into psql", floor: true}
	nullFloor = route{name: "floor: binary COPY to nowhere", floor: true}
	pgPg      = route{name: "pg-pg", target: "target-postgres"}
	pgSinger  = route{name: "pg-pg over Singer JSON", target: "target-postgres", flags: []string{"--no-fuse"}}
	pgJSONL   = route{name: "pg-jsonl", target: "target-jsonl"}
	pgSQLite  = route{name: "pg-sqlite", target: "target-sqlite"}
	pgParquet = route{name: "pg-parquet", target: "target-parquet"}
)

// shapes are all of them; slope is left out unless asked for.
var shapes = []shape{
	{name: "lineitem", sizes: []float64{1}, tables: 1, source: lineitem, key: "l_orderkey",
		routes: []route{pgFloor, pgPg, pgSinger, nullFloor, pgParquet}},
	{name: "wide", sizes: []float64{0.1}, tables: 1, source: wide, key: "id",
		routes: []route{pgFloor, pgPg, pgSinger, pgSQLite, nullFloor, pgJSONL, pgParquet}},
	{name: "nested", sizes: []float64{0.2}, tables: 1, source: nested, key: "id",
		routes: []route{pgFloor, pgPg, pgSinger, pgSQLite, nullFloor, pgJSONL, pgParquet}},
	{name: "tiny", sizes: []float64{0}, fixed: 20, tables: 200, source: tiny, key: "id",
		routes: []route{dumpFloor, pgPg, pgSinger, pgSQLite, pgJSONL}},
	{name: "empty", sizes: []float64{0}, tables: 200, source: tiny, key: "id",
		routes: []route{dumpFloor, pgPg, pgSinger, pgSQLite, pgJSONL}},
	{name: "upsert", sizes: []float64{1}, tables: 1, source: lineitem, key: "l_orderkey",
		routes: []route{
			{name: "floor: temp table, COPY, ON CONFLICT; half updates", floor: true, seeded: "half"},
			{name: "pg-pg, half updates", target: "target-postgres", seeded: "half"},
			{name: "pg-pg, nothing changed", target: "target-postgres", seeded: "all"},
		}},
	{name: "slope", sizes: []float64{6, 24}, tables: 1, source: lineitem, key: "l_orderkey",
		routes: []route{pgFloor, pgPg, nullFloor, pgJSONL, pgParquet}},
}

// lineitem has the types of TPC-H's table and similar values.
func lineitem(rows int) (columns, query string) {
	return `l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber int, l_quantity numeric(15,2),
		l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1),
		l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44)`,
		fmt.Sprintf(`select g, g * 7919 %% 200000, g * 104729 %% 10000, g %% 7, g %% 50 + 1, 900 + g * 31 %% 99999 + 0.25, g %% 11 * 0.01, g %% 9 * 0.01,
		(array['N','R','A'])[(g %% 3)::int + 1], (array['O','F'])[(g %% 2)::int + 1], date '1992-01-01' + (g %% 2500)::int, date '1992-02-01' + (g %% 2500)::int, date '1992-03-01' + (g %% 2500)::int,
		(array['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[(g %% 4)::int + 1], (array['TRUCK','MAIL','REG AIR','SHIP','FOB'])[(g %% 5)::int + 1],
		substr(md5(g::text) || ' egular courts above', 1, (20 + g %% 24)::int)
	from generate_series(1, %d::bigint) g`, rows)
}

// wide has 105 columns.
func wide(rows int) (columns, query string) {
	names, values := []string{"id bigint"}, []string{"g"}
	for i := range 26 {
		names = append(names, fmt.Sprintf("n%d int, d%d numeric(12,2), t%d text, at%d timestamptz", i, i, i, i))
		values = append(values, fmt.Sprintf(`case when g %% 17 = %d then null else g * %d %% 100000 end, g * %d %% 1000000 * 0.01, 'value ' || g * %d %% 1000,
			timestamptz '2020-01-01 00:00:00Z' + g * %d * interval '1 microsecond'`, i%17, i+1, i+3, i+7, i+1000001))
	}
	return strings.Join(names, ", "), fmt.Sprintf("select %s from generate_series(1, %d::bigint) g", strings.Join(values, ", "), rows)
}

// nested has documents of some 700 bytes, three levels deep.
func nested(rows int) (columns, query string) {
	return "id bigint, doc jsonb, lines jsonb", fmt.Sprintf(`select g,
		jsonb_build_object('order', g, 'customer', jsonb_build_object('name', 'Customer ' || g %% 1000, 'address', jsonb_build_object('city', 'Zürich "' || g %% 50 || '"', 'zip', g %% 9999),
			'tags', jsonb_build_array('a', 'b\\c', g %% 10)), 'paid', g %% 2 = 0, 'total', g * 0.01, 'note', null),
		(select jsonb_agg(jsonb_build_object('line', l, 'sku', md5((g * l)::text), 'price', l * 9.99, 'options', jsonb_build_object('colour', 'red', 'sizes', jsonb_build_array(l, l + 1)))) from generate_series(1, 5) l)
	from generate_series(1, %d::bigint) g`, rows)
}

// tiny is one of many small tables.
func tiny(rows int) (columns, query string) {
	return "id bigint, name text, at timestamptz, amount numeric(12,2)", fmt.Sprintf(
		`select g, 'row ' || g, timestamptz '2024-01-01 00:00:00Z' + g * interval '1 hour', g * 1.25 from generate_series(1, %d::bigint) g`, rows)
}
