package backfill

import (
	"encoding/json"
	"fmt"
	"slices"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/state"
)

// Options are what a user asks of a backfill; the store keeps them for resume.
type Options struct {
	Tap      string   `json:"tap"`
	Mappings []string `json:"mappings,omitempty"`
	Target   string   `json:"target"`
	StateID  string   `json:"state_id"` // of the regular runs
	Chunk    string   `json:"chunk,omitempty"`
	Parallel int      `json:"parallel,omitempty"` // chunks at the same time; 0 is 1
	Select   []string `json:"select,omitempty"`
	Exclude  []string `json:"exclude,omitempty"`
	Catalog  string   `json:"catalog,omitempty"`
	NoFuse   bool     `json:"no_fuse,omitempty"`
	// AllowDuplicates lets rows without a key be appended to what is there.
	AllowDuplicates bool `json:"allow_duplicates,omitempty"`
}

// Set is the only set of a plan; a backfill has one.
func Set(plan *project.Plan) (*project.Set, error) {
	for _, b := range plan.Blocks {
		if b.Command != nil {
			return nil, fault.New(fault.Usage, "a window is for a tap and a target, and %s is a command", b.Command.Plugin.Name).
				WithHint("run it on its own, after the backfill")
		}
	}
	if len(plan.Blocks) != 1 {
		return nil, fault.New(fault.Usage, "a window is for one tap and one target, and these blocks have %d of them", len(plan.Blocks)).
			WithHint("run them one by one")
	}
	return plan.Blocks[0].Set, nil
}

// named fills in which set the options are for.
func (o *Options) named(set *project.Set) {
	o.Tap, o.Target, o.StateID, o.Mappings = set.Extractor.Name, set.Loader.Name, set.StateID, nil
	for _, m := range set.Mappings {
		o.Mappings = append(o.Mappings, m.Name)
	}
}

// stored is the inverse of the store's column.
func stored(raw json.RawMessage) (o Options, err error) {
	if err = json.Unmarshal(raw, &o); err != nil {
		err = fmt.Errorf("read what the backfill was asked for: %w", err)
	}
	return o, err
}

// TargetOf is the name of the target of a stored backfill.
func TargetOf(b state.Backfill) string {
	o, _ := stored(b.Options) // what cannot be read has no target
	return o.Target
}

// set finds the set in the project as it is now.
func (o Options) set(p *project.Project) (*project.Set, error) {
	if len(o.Mappings) == 0 {
		return p.Pair(o.Tap, o.Target, o.StateID)
	}
	plan, err := p.Plan(slices.Concat([]string{o.Tap}, o.Mappings, []string{o.Target}), project.PlanOptions{})
	if err != nil {
		return nil, err
	}
	set, err := Set(plan)
	if err == nil {
		set.StateID = o.StateID
	}
	return set, err
}

// Apply hands the options to a runner.
func (o Options) Apply(r *runner.Runner) {
	r.Select(o.Tap, o.Select, o.Exclude)
	if o.Catalog != "" {
		r.Flag(o.Tap, "_catalog", o.Catalog)
	}
	r.NoFuse, r.Trigger = o.NoFuse, "backfill"
}
