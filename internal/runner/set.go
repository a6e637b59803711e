package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/pipe"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/plugins"
	"elt/state"
)

// set is one set on its way.
type set struct {
	*Runner
	plan   *project.Set
	runID  string
	report *BlockReport
	log    zerolog.Logger

	stages []*Stage // tap, mappings, target
	pinned bool     // by this run
	folder *folder
	guard  Guard
	keeper *keeper
	saver  *saver
	counts *counts
	gauges gauges
	start  json.RawMessage // the state that the tap gets
	kept   json.RawMessage // the state that the store has, where this run alone starts elsewhere
	once   json.RawMessage // and that start, {} for the beginning
	lanes  int             // streams that the target loads at the same time
	// launched is when its processes were started, the target's claim aside.
	launched time.Time
	began    *Beginning      // once it was told
	catalog  *singer.Catalog // of the tap; nil: it has none
	left     string          // what the target said it left (load.KeptLine)
	bounds   limit.Limits
	given    atomic.Pointer[given]
}

func (s *set) tap() *Stage    { return s.stages[0] }
func (s *set) target() *Stage { return s.stages[len(s.stages)-1] }

// peers: tap and target are built in and nothing stands between them.
func (s *set) peers() bool {
	return len(s.stages) == 2 && s.tap().Choice.Native && s.target().Choice.Native
}

// fused: they run in one process.
func (s *set) fused() bool { return s.peers() && !s.NoFuse }

// runSet runs one set from its settings to its run record.
func (r *Runner) runSet(ctx context.Context, runID string, plan *project.Set) (*BlockReport, error) {
	s := &set{Runner: r, plan: plan, runID: runID, counts: newCounts(), report: &BlockReport{
		RunID: runID, Name: setName(plan), Job: plan.Job, StateID: plan.StateID,
		Started: time.Now(), Status: state.Running,
	}}
	log, err := r.openLog(r.logFile(plan.StateID, runID), runID)
	if err != nil {
		return s.report, err
	}
	defer log.close()
	s.log, s.report.LogPath = log.all, log.path
	err = s.guarded(ctx)
	log.end(s.report.Name, err)
	return s.report, err
}

// sayUnset warns of variables that the project names and nobody set.
func sayUnset(log zerolog.Logger, s *project.Settings) {
	for _, e := range s.Unset() {
		log.Warn().Msg(e.Error() + " (" + e.Hint + ")")
	}
}

// guarded runs the set with its folder and its guard, which comes up while
// the settings are resolved.
func (s *set) guarded(ctx context.Context) (err error) {
	if s.folder, err = newFolder(s.Runner.folders(s.plan.StateID), s.runID); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.folder.remove()) }()
	if s.guard, err = s.Runner.Guard(s.folder.lock()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.guard.Close()) }()
	if err := s.resolve(ctx); err != nil {
		return err
	}
	return s.locked(ctx)
}

// resolve settles the settings of all stages and what runs in their place.
func (s *set) resolve(ctx context.Context) error {
	settings, err := s.Project.Chain(ctx, s.plan, s.Flags)
	if err != nil {
		return err
	}
	pins, bookmarked, err := s.verdicts(ctx)
	if err != nil {
		return err
	}
	for i, one := range settings {
		s.Redactor.Add(one.Secrets()...) // before anything is logged or started (invariant 10)
		sayUnset(s.log, one)
		name := one.Plugin.Name
		if i > 0 && i < len(settings)-1 {
			name = s.plan.Mappings[i-1].Name
		}
		q := plugins.Question{Bookmarked: bookmarked}
		if pin, ok := pins[one.Plugin.Name]; ok {
			q.Pin = &pin
		}
		stage, err := newStage(s.Plugins, name, one, q)
		if err != nil {
			return err
		}
		s.Redactor.Add(s.Plugins.Secrets(stage.Choice, stage.Plugin.Kind, stage.Config, stage.dir)...)
		s.stages = append(s.stages, stage)
		s.report.Plugins = append(s.report.Plugins, NewPluginReport(stage.Choice))
		s.log.Debug().Str("plugin", name).Bool("native", stage.Choice.Native).Msg("runs because " + stage.Choice.Reason)
	}
	s.report.Fused = s.fused()
	s.bounds, err = s.limits()
	return err
}

// locked runs the set under its lease. The guard holds the lock file before
// the lease names it: whoever reads of it there must find it held
// (invariant 8).
func (s *set) locked(ctx context.Context) (err error) {
	if err := s.guard.Ready(); err != nil {
		return err
	}
	root := s.Runner.folders(s.plan.StateID)
	lease, err := acquire(ctx, s.Store, s.plan.StateID, self(s.runID, s.Machine, s.folder.lock()), s.LeaseTTL, s.Force, s.log)
	if err != nil {
		return err
	}
	if err := sweep(root, time.Now()); err != nil { // now, since the lease may have been waited for
		s.log.Warn().Err(err).Msg("files of a dead run are left behind")
	}
	s.keeper = keep(ctx, s.Store, lease, s.log)
	defer func() {
		after, cancel := s.afterwards(ctx)
		defer cancel()
		if e := s.keeper.release(after); e != nil {
			s.log.Warn().Err(e).Msg("the lease could not be given back; it runs out by itself")
		}
	}()
	if err := s.Store.StartRun(ctx, s.record()); err != nil {
		return fault.Wrap(fault.StoreAway, err, "cannot record the run in the state store")
	}
	told := newProgress(ctx, s.Store, s.runID, s.LeaseTTL/3, s.telling(), s.log)
	err = s.load(ctx)
	told.close()
	s.finish(ctx, err)
	if s.began == nil { // it failed before
		s.begin()
	}
	s.Teller.Ended(*s.began, s.report)
	return err
}

// begin tells that the set is about to move rows.
func (s *set) begin() {
	id := s.plan.StateID
	if s.Window != nil { // a chunk is of the regular state id
		id = s.Window.Regular
	}
	s.began = &Beginning{RunID: s.runID, Execution: s.Execution, StateID: id, Name: s.report.Name, Job: s.plan.Job,
		Started: s.report.Started, Tap: s.tap(), Target: s.target(), Catalog: s.catalog}
	s.Teller.Began(*s.began)
}

// afterwards is a context for what must still be written when ctx has ended.
func (s *set) afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
}

// load prepares files and catalog, claims, and runs the pipe.
func (s *set) load(ctx context.Context) error {
	for i, stage := range s.stages {
		stage.environ = append(stage.environ[:len(stage.environ):len(stage.environ)], s.folder.mark())
		name := configName(i, len(s.stages))
		if err := stage.writeConfig(s.folder, name); err != nil {
			return err
		}
		if err := stage.writeLogging(s.folder, strings.TrimSuffix(name, "config.json"), s.Console.Level()); err != nil {
			return err
		}
	}
	edit, err := s.bookmark(ctx)
	if err != nil {
		return err
	}
	var target *opened
	if s.fused() { // it discovers, too
		if target, err = s.open(ctx, edit); err != nil {
			return err
		}
	}
	s.Launched()
	catalogPath, err := s.writeCatalog(ctx, target)
	if err != nil {
		if target != nil {
			target.abandon()
			s.counts.close()
		}
		return err
	}
	s.begin()
	chain := pipe.Chain{Grace: s.Grace, Meter: s.counts.meter, Windowed: s.Window != nil,
		Limits: s.bounds, Streams: s.selected()}
	var first *claimed
	if s.target().Choice.Native {
		if target == nil {
			if target, err = s.open(ctx, edit); err != nil {
				return err
			}
		}
		if first, err = s.claim(ctx, target); err != nil {
			return err
		}
		defer s.counts.close()
	}
	if err := s.pin(ctx); err != nil {
		return s.giveUp(first, err)
	}
	if chain.Stages, err = s.chain(catalogPath); err != nil {
		return s.giveUp(first, err)
	}
	s.keepGiven(ctx)
	chain.Host, chain.Start = prestarted{s.guard, first}, s.start
	return s.pipe(ctx, chain)
}

// giveUp ends a claimed target that gets no rows.
func (s *set) giveUp(first *claimed, err error) error {
	if first != nil {
		first.process.Stop(s.Grace / 3)
		first.process.Close()
	}
	return err
}

func configName(i, n int) string {
	switch i {
	case 0:
		return "tap.config.json"
	case n - 1:
		return "target.config.json"
	}
	return fmt.Sprintf("mapper.%d.config.json", i)
}

// discovers says that the tap is asked for its streams.
func (s *set) discovers() bool {
	return (s.Window == nil || s.Window.Catalog == nil) && customCatalog(s.tap()) == ""
}

// writeCatalog finds the catalog, by the fused pair that was started, if any,
// and writes it; "" when the tap takes none.
func (s *set) writeCatalog(ctx context.Context, pair *opened) (string, error) {
	if s.Window != nil && s.Window.Catalog != nil {
		return s.catalogFile(s.Window.Catalog)
	}
	find := catalogs{root: s.Project.Root, cache: s.Runner.cacheFolder(), host: s.guard, log: s.log,
		refresh: s.RefreshCatalog || s.FullRefresh}
	if pair != nil {
		find.ask = pair.discover
	}
	catalog, err := find.of(ctx, s.tap())
	if catalog == nil || err != nil {
		return "", err
	}
	return s.catalogFile(catalog)
}

func (s *set) catalogFile(catalog *singer.Catalog) (string, error) {
	s.catalog = catalog
	if s.fused() {
		return "", nil // it comes on standard input
	}
	raw, err := catalog.Print()
	if err != nil {
		return "", err
	}
	return s.folder.write("tap.properties.json", raw)
}

// chain is what the pipe runs.
func (s *set) chain(catalogPath string) ([]pipe.Stage, error) {
	if s.fused() {
		return []pipe.Stage{{Command: s.fuseCommand(), BuiltIn: true}}, nil
	}
	var args []string
	if catalogPath != "" {
		args = append(args, s.tap().catalogFlag(), catalogPath)
	}
	if s.start != nil && s.tap().takesState() {
		path, err := s.folder.write(stateName, s.start)
		if err != nil {
			return nil, err
		}
		args = append(args, "--state", path)
	}
	tap := s.tap().command(args...)
	if s.peers() {
		tap.Env = append(tap.Env[:len(tap.Env):len(tap.Env)],
			singer.PeerEnv+"=elt", fmt.Sprintf("%s=%d", singer.LanesEnv, s.lanes))
	}
	out := []pipe.Stage{{Command: tap}}
	for _, stage := range s.stages[1 : len(s.stages)-1] {
		out = append(out, pipe.Stage{Command: stage.command()})
	}
	out = append(out, pipe.Stage{Command: s.target().command(), BuiltIn: s.target().Choice.Native})
	for i := range out {
		name := s.stages[i].Name
		out[i].Command.Stderr = s.speaker(name)
	}
	return out, nil
}

const stateName = "state.json"

// bookmark finds the state that the tap is to start from, and the number of
// edits that the destination must know of (invariant 3).
func (s *set) bookmark(ctx context.Context) (edit int64, err error) {
	id := s.plan.StateID
	if s.StateOf != "" && !s.FullRefresh && s.Window == nil {
		if err := s.rollBack(ctx); err != nil {
			return 0, err
		}
	}
	have, err := s.Store.Bookmark(ctx, id)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return 0, fault.Wrap(fault.StoreAway, err, "cannot read the bookmark of %s", id)
	}
	err = nil
	var given json.RawMessage
	if !s.FullRefresh && s.Window == nil {
		if given, err = givenState(s.Project.Root, s.tap().Settings); err != nil {
			return 0, err
		}
	}
	kept, mergeErr := singer.Merge(have.Completed, have.Partial)
	switch {
	case s.whole():
	case s.NoStateUpdate && (s.FullRefresh || given != nil):
		s.start, s.kept = given, kept
		s.once = given
		if given == nil {
			s.once = json.RawMessage("{}")
		}
		err = mergeErr
	case s.FullRefresh:
		// What the store holds of other streams stays; the destination learns
		// of the decision by the edit.
		if have.StateID != "" {
			err = s.Store.EditBookmark(ctx, id, "full-refresh", have.Completed, have.Partial)
			have.Edit++
		}
	case given != nil:
		s.start = given
		if s.target().Choice.Native {
			err = s.Store.EditBookmark(ctx, id, "set", given, nil)
			have.Edit++
		}
	default:
		s.start, err = kept, mergeErr
	}
	if err != nil {
		return 0, fmt.Errorf("prepare the bookmark of %s: %w", id, err)
	}
	return have.Edit, nil
}
