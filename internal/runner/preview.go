package runner

import (
	"context"
	"encoding/json"
	"errors"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/plugins"
	"elt/state"
)

// Preview resolves a plan as a run would, and starts nothing: what would run
// in each plugin's place, and why. The first error is returned with what was
// found out. Without a store, verdicts of earlier runs are not known.
func (r *Runner) Preview(ctx context.Context, plan *project.Plan) ([]*BlockReport, error) {
	r.fill()
	out := []*BlockReport{}
	for _, b := range plan.Blocks {
		report, err := r.preview(ctx, b)
		out = append(out, report)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (r *Runner) preview(ctx context.Context, b project.Block) (*BlockReport, error) {
	if b.Command != nil {
		return &BlockReport{Name: commandName(b.Command), Job: b.Command.Job, Status: "planned"}, nil
	}
	rep := &BlockReport{Name: setName(b.Set), Job: b.Set.Job, StateID: b.Set.StateID, Status: "planned"}
	settings, err := r.Project.Chain(ctx, b.Set, r.Flags)
	if err != nil {
		return rep, err
	}
	pins, bookmarked := map[string]plugins.Pin{}, false
	if r.Store != nil {
		if pins, bookmarked, err = verdicts(ctx, r.Store, b.Set.StateID); err != nil {
			return rep, err
		}
	}
	for _, one := range settings {
		q := plugins.Question{Settings: one, Bookmarked: bookmarked}
		if pin, ok := pins[one.Plugin.Name]; ok {
			q.Pin = &pin
		}
		c, err := r.Plugins.Choose(one.Plugin, q)
		if fault.CodeOf(err) == fault.PluginMissing {
			rep.Notes = append(rep.Notes, err.Error())
		} else if err != nil {
			return rep, err
		}
		rep.Plugins = append(rep.Plugins, NewPluginReport(c))
	}
	return rep, nil
}

// StartState is the state that a tap would be given: the file that its extra
// `state` names, else the stored one; nil for none.
func (r *Runner) StartState(ctx context.Context, plan *project.Set) (json.RawMessage, error) {
	r.fill()
	settings, err := r.Project.Chain(ctx, plan, r.Flags)
	if err != nil {
		return nil, err
	}
	if given, err := givenState(r.Project.Root, settings[0]); given != nil || err != nil {
		return given, err
	}
	have, err := r.Store.Bookmark(ctx, plan.StateID)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.StoreAway, err, "cannot read the bookmark of %s", plan.StateID)
	}
	return singer.Merge(have.Completed, have.Partial)
}
