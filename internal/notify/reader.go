package notify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"elt/internal/runner"
	"elt/state"
)

// Store is what alerts are judged by and kept in: state.Store has it.
type Store interface {
	state.Incidents
	Executions(ctx context.Context, w state.Which) ([]state.Execution, error)
	LastExecutions(ctx context.Context, project, environment string, n int) ([]state.Execution, error)
	Slots(ctx context.Context, project, environment, schedule string, limit int) ([]state.Slot, error)
	SlotsSince(ctx context.Context, project, environment string, since time.Time) ([]state.Slot, error)
	RunsOf(ctx context.Context, executions ...string) ([]state.Run, error)
	Runs(ctx context.Context, stateID string, limit int) ([]state.Run, error)
	Paused(ctx context.Context, project, environment string) (map[string]state.Pause, error)
}

const (
	// depth is how many executions and runs make a history.
	depth = 20
	// times is how many of a schedule's newest slots are looked at.
	times = 8
	// overlap is how much is read again, for clocks that differ and
	// transactions that take their time.
	overlap = 2 * time.Minute
	// remembered is how long a pipeline counts that the project does not name.
	remembered = 24 * time.Hour
	// restful is how often pipelines are judged of which nothing is new: what
	// depends on the time alone is told no later than that.
	restful = time.Minute
)

// reader reads pipelines from the store: all at first, later only of those of
// which something has ended since.
type reader struct {
	store   Store
	project string
	in      string // environment
	known   map[string]*history
	read    time.Time // the store's state as of then is known
	judged  time.Time // when pipelines were last given
}

// history is what is known of one name.
type history struct {
	over    []state.Execution // newest first
	success time.Time
	since   time.Time
	slots   []state.Slot // newest first
	streams []Stream
	lags    []SlotLag
}

// pipelines gives those of a configuration, and others that ran of late; none
// when there is nothing new and the time alone has changed but little.
func (r *reader) pipelines(ctx context.Context, c Config, now time.Time) ([]Pipeline, error) {
	if r.project != c.Project || r.in != c.Environment || r.known == nil {
		r.project, r.in, r.known, r.read, r.judged = c.Project, c.Environment, nil, time.Time{}, time.Time{}
	}
	changed, err := r.refresh(ctx, c, now)
	if err != nil {
		r.known = nil // half of it may be old
		return nil, err
	}
	waiting, err := r.store.Executions(ctx, state.Which{Project: r.project, Environment: r.in, Open: true})
	if err != nil {
		return nil, err
	}
	if !changed && len(waiting) == 0 && now.Sub(r.judged) < restful {
		return nil, nil
	}
	r.judged = now
	paused, err := r.store.Paused(ctx, r.project, r.in)
	if err != nil {
		return nil, err
	}
	promises := slices.Clone(c.Pipelines)
	named := map[string]bool{}
	for _, p := range promises {
		named[p.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		h := r.known[name]
		if !named[name] && len(h.over) > 0 && now.Sub(*h.over[0].Ended) < remembered {
			promises = append(promises, Promise{Name: name})
		}
	}
	open := map[string][]state.Execution{}
	for _, e := range waiting {
		open[e.Name] = append(open[e.Name], e)
	}
	out := []Pipeline{}
	for _, promise := range promises {
		p := Pipeline{Promise: promise, Executions: open[promise.Name]}
		_, stopped := paused[promise.Name]
		p.Paused = p.Paused || stopped
		if h := r.known[promise.Name]; h != nil {
			if p.Executions == nil {
				p.Executions = h.over // which nobody changes
			} else {
				p.Executions = append(p.Executions, h.over...)
			}
			p.Success, p.Known, p.Slots, p.Streams, p.Lags = h.success, h.since, h.slots, h.streams, h.lags
		}
		out = append(out, p)
	}
	return out, nil
}

// refresh says whether there was something new.
func (r *reader) refresh(ctx context.Context, c Config, now time.Time) (bool, error) {
	changed := map[string]bool{}
	if r.known == nil {
		r.known = map[string]*history{}
		all, err := r.store.LastExecutions(ctx, r.project, r.in, depth)
		if err != nil {
			return false, err
		}
		for _, e := range all {
			changed[e.Name] = true
			if h := r.of(e.Name); e.Over() && e.Ended != nil {
				h.over = append(h.over, slim(e))
			}
		}
		for _, p := range c.Pipelines {
			if p.Times == nil {
				continue
			}
			if r.of(p.Name).slots, err = r.store.Slots(ctx, r.project, r.in, p.Name, times); err != nil {
				return false, err
			}
			changed[p.Name] = true
		}
	} else {
		var err error
		if changed, err = r.since(ctx, r.read.Add(-overlap)); err != nil {
			return false, err
		}
	}
	for name := range changed {
		if err := r.derive(ctx, name, r.known[name]); err != nil {
			return false, err
		}
	}
	r.read = now
	return len(changed) > 0, nil
}

func (r *reader) of(name string) *history {
	if r.known[name] == nil {
		r.known[name] = &history{}
	}
	return r.known[name]
}

// since reads what is new, and names the pipelines that it is about.
func (r *reader) since(ctx context.Context, since time.Time) (map[string]bool, error) {
	ended, err := r.store.Executions(ctx, state.Which{Project: r.project, Environment: r.in, EndedSince: since})
	if err != nil {
		return nil, err
	}
	slots, err := r.store.SlotsSince(ctx, r.project, r.in, since)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, e := range ended {
		h := r.of(e.Name)
		if slices.ContainsFunc(h.over, func(o state.Execution) bool { return o.ID == e.ID }) {
			continue
		}
		changed[e.Name] = true
		h.over = append(h.over, slim(e))
		slices.SortStableFunc(h.over, func(a, b state.Execution) int {
			return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
		})
		h.over = h.over[:min(len(h.over), depth)]
	}
	for _, s := range slots {
		h := r.of(s.Schedule)
		if slices.ContainsFunc(h.slots, func(o state.Slot) bool { return o.Slot.Equal(s.Slot) }) {
			continue
		}
		changed[s.Schedule] = true
		h.slots = append(h.slots, s)
		slices.SortStableFunc(h.slots, func(a, b state.Slot) int { return b.Slot.Compare(a.Slot) })
		h.slots = h.slots[:min(len(h.slots), times)]
	}
	return changed, nil
}

// slim is an execution without what no judge looks at: there are many.
func slim(e state.Execution) state.Execution {
	s := state.Execution{ID: e.ID, Name: e.Name, Attempt: e.Attempt, RetryOf: e.RetryOf, Status: e.Status,
		Created: e.Created, Started: e.Started, Ended: e.Ended, ExitCode: e.ExitCode, Cause: e.Cause}
	if fullRefresh(e) {
		s.Options = e.Options
	}
	return s
}

// derive finds out what follows from a pipeline's executions: its newest
// success, since when it is known, and what its runs moved.
func (r *reader) derive(ctx context.Context, name string, h *history) error {
	newest := slices.IndexFunc(h.over, func(e state.Execution) bool { return e.Status == state.Succeeded })
	switch {
	case newest >= 0:
		h.success = *h.over[newest].Ended
	case h.success.IsZero():
		old, err := r.store.Executions(ctx, state.Which{Project: r.project, Environment: r.in, Name: name, Status: state.Succeeded, Limit: 1})
		if err != nil {
			return err
		}
		if len(old) > 0 && old[0].Ended != nil {
			h.success = *old[0].Ended
		}
	}
	for _, e := range h.over {
		h.seen(e.Created)
	}
	for _, s := range h.slots {
		h.seen(s.At)
	}
	return r.moved(ctx, h)
}

// seen notes that the pipeline was known at a time.
func (h *history) seen(at time.Time) {
	if h.since.IsZero() || at.Before(h.since) {
		h.since = at
	}
}

// moved reads what the streams of a pipeline got, from the runs of its newest
// executions: whoever ran those state ids, rows are rows.
func (r *reader) moved(ctx context.Context, h *history) error {
	var ids []string
	for _, e := range h.over[:min(len(h.over), 3)] {
		ids = append(ids, e.ID)
	}
	if ids == nil {
		return nil
	}
	runs, err := r.store.RunsOf(ctx, ids...)
	if err != nil {
		return err
	}
	h.streams, h.lags = nil, nil
	seen := map[string]bool{}
	for _, run := range runs {
		if run.StateID == "" || seen[run.StateID] {
			continue
		}
		seen[run.StateID] = true
		of, err := r.store.Runs(ctx, run.StateID, depth)
		if err != nil {
			return err
		}
		h.streams = append(h.streams, streamsOf(of)...)
		h.lags = append(h.lags, lagsOf(of)...)
	}
	return nil
}

// lagsOf are the replication slots of the newest run that came to look at
// them: one that failed before may not have.
func lagsOf(runs []state.Run) (list []SlotLag) {
	for _, run := range runs {
		if run.Ended == nil {
			continue
		}
		for _, g := range runner.GaugesOf(run.Detail) {
			if g.Metric == runner.SlotLagBytes {
				list = append(list, SlotLag{Slot: g.Tags["slot"], Bytes: int64(g.Value), Status: g.Tags["wal_status"]})
			}
		}
		if list != nil || run.Status == state.Succeeded {
			return list
		}
	}
	return nil
}

// streamsOf are the streams of a state id's newest run that succeeded, and of
// those after it that did not.
func streamsOf(runs []state.Run) (list []Stream) {
	at := map[string]int{}
	succeeded := false
	for _, run := range runs {
		if run.Ended == nil {
			continue
		}
		ok := run.Status == state.Succeeded
		// Where a run failed because one of its streams did, the others finished.
		partly := run.Status == state.Failed && slices.ContainsFunc(run.Streams, func(s state.StreamStats) bool { return s.Error != "" })
		for _, s := range run.Streams {
			i, there := at[s.Stream]
			if !there {
				if succeeded {
					continue // no longer selected
				}
				i = len(list)
				at[s.Stream] = i
				list = append(list, Stream{StateID: run.StateID, Name: s.Stream})
			}
			if list[i].Loaded.IsZero() && s.Error == "" && (ok || partly) {
				list[i].Loaded = *run.Ended
			}
			if ok {
				list[i].Rows = append(list[i].Rows, s.Rows)
			}
		}
		succeeded = succeeded || ok
	}
	return list
}
