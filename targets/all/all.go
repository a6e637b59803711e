// Package all lists the built-in targets, one line each.
package all

import (
	"elt/targets"
	"elt/targets/csv"
	"elt/targets/jsonl"
	"elt/targets/parquet"
	"elt/targets/postgres"
	"elt/targets/snowflake"
	"elt/targets/sqlite"
)

// All is a registry of every built-in target.
func All() *targets.Registry {
	return targets.NewRegistry(
		csv.New(),
		jsonl.New(),
		parquet.New(),
		postgres.New(),
		snowflake.New(),
		sqlite.New(),
	)
}
