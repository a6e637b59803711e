// Package all lists the built-in taps, one line each.
package all

import (
	"elt/taps"
	"elt/taps/csv"
	"elt/taps/edcast"
	"elt/taps/jdbc"
	"elt/taps/jsonl"
	"elt/taps/mysql"
	"elt/taps/parquet"
	"elt/taps/postgres"
	"elt/taps/rest"
	"elt/taps/sqlite"
	"elt/taps/xactly"
)

// All is a registry of every built-in tap.
func All() *taps.Registry {
	return taps.NewRegistry(
		csv.New(),
		edcast.New(),
		jdbc.New(),
		jsonl.New(),
		mysql.New(),
		parquet.New(),
		postgres.New(),
		rest.New(),
		sqlite.New(),
		xactly.New(),
	)
}
