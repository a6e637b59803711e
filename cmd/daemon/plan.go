package daemon

import (
	"context"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/schedule"
	"elt/internal/singer"
	"elt/state"
)

// dryRun says what a run would do, as elt run --dry-run does, and which
// streams it would read from where.
func dryRun(app *cli.App, s *source, store state.Store) func(context.Context, []string, schedule.Options) ([]api.PlannedSet, error) {
	return func(ctx context.Context, blocks []string, o schedule.Options) ([]api.PlannedSet, error) {
		out := []api.PlannedSet{}
		p, _, err := s.now(ctx)
		if err != nil {
			return out, err
		}
		plan, err := p.Plan(blocks, project.PlanOptions{})
		if err != nil {
			return out, err
		}
		r, err := app.Runner(ctx, p, runner.Options{FullRefresh: o.FullRefresh})
		if err != nil {
			return out, err
		}
		r.Store = store
		for _, b := range plan.Blocks {
			if b.Set != nil {
				r.Select(b.Set.Extractor.Name, o.Select, o.Exclude)
			}
		}
		reports, err := r.Preview(ctx, plan)
		for i, report := range reports {
			set := api.PlannedSet{Name: report.Name, StateID: report.StateID, Plugins: report.Plugins, Streams: []api.PlannedStream{}, Notes: report.Notes}
			if set.Plugins == nil {
				set.Plugins = []runner.PluginReport{}
			}
			if set.Notes == nil {
				set.Notes = []string{}
			}
			out = append(out, set)
			if one := plan.Blocks[i].Set; one != nil && err == nil {
				if out[i].Streams, err = plannedStreams(ctx, r, one, &out[i]); err != nil {
					return out, err
				}
			}
		}
		return out, err
	}
}

func plannedStreams(ctx context.Context, r *runner.Runner, set *project.Set, into *api.PlannedSet) ([]api.PlannedStream, error) {
	if len(into.Notes) > 0 { // a plugin is missing: it cannot be asked
		return []api.PlannedStream{}, nil
	}
	d, err := r.Describe(ctx, set)
	if err != nil {
		return []api.PlannedStream{}, err
	}
	if d.Catalog == nil {
		into.Notes = append(into.Notes, set.Extractor.Name+" has no catalog: its streams are known only when they come")
	}
	var start singer.Bookmarks
	if !r.FullRefresh {
		raw, err := r.StartState(ctx, set)
		if err != nil {
			return []api.PlannedStream{}, err
		}
		start = singer.NewBookmarks(raw)
	}
	return api.PlannedStreams(d.Catalog, start), nil
}
