package taps

import (
	"maps"
	"slices"
)

// Registry is a set of taps by name.
type Registry struct{ byName map[string]Tap }

// NewRegistry makes a registry; two taps of one name are a mistake in the program.
func NewRegistry(list ...Tap) *Registry {
	r := &Registry{map[string]Tap{}}
	for _, t := range list {
		name := t.Spec().Name
		if _, twice := r.byName[name]; twice {
			panic("taps: " + name + " is registered twice")
		}
		r.byName[name] = t
	}
	return r
}

// Lookup is the tap called name ("tap-csv"), nil when there is none.
func (r *Registry) Lookup(name string) Tap { return r.byName[name] }

// Names are the registered names, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.byName)) }
