// Package all lists the built-in targets, one line each.
package all

import (
	"elt/targets"
	"elt/targets/postgres"
)

// All is a registry of every built-in target.
func All() *targets.Registry {
	return targets.NewRegistry(
		postgres.New(),
	)
}
