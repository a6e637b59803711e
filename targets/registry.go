package targets

import (
	"maps"
	"slices"
)

// Registry is a set of targets by name.
type Registry struct{ byName map[string]Target }

// NewRegistry makes a registry; two targets of one name are a mistake in the program.
func NewRegistry(list ...Target) *Registry {
	r := &Registry{map[string]Target{}}
	for _, t := range list {
		name := t.Spec().Name
		if _, twice := r.byName[name]; twice {
			panic("targets: " + name + " is registered twice")
		}
		r.byName[name] = t
	}
	return r
}

// Lookup is the target called name ("target-jsonl"), nil when there is none.
func (r *Registry) Lookup(name string) Target { return r.byName[name] }

// Names are the registered names, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.byName)) }
