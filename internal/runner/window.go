package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/logging"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/plugins"
	"elt/state"
	"elt/targets"
)

// Window makes a run one chunk of a backfill: a run with a state id of its
// own that activates no version, swaps and hard-deletes nothing (invariant 9).
// The caller holds the lease of the regular state id, and has set the tap's
// start and end settings in Options.Flags.
type Window struct {
	// Regular is the state id of the regular runs, whose pins say which
	// connectors run: the tables are theirs.
	Regular string
	// Whole: the chunk starts from its beginning though an earlier attempt was
	// cut; right where all rows merge by key. Else it goes on where the
	// destination has its position.
	Whole bool
	// AllowAppend lets rows be appended that no key merges.
	AllowAppend bool
	// Catalog is what the tap is given; nil: it discovers.
	Catalog *singer.Catalog
}

// regular is the state id whose first run decided what runs.
func (s *set) regular() string {
	if s.Window != nil {
		return s.Window.Regular
	}
	return s.plan.StateID
}

func (s *set) whole() bool { return s.Window != nil && s.Window.Whole }

// Forget removes what the store keeps of a chunk's state id once its backfill
// is over. Its runs and their logs stay.
func (r *Runner) Forget(ctx context.Context, stateID, target string) error {
	return errors.Join(r.Store.DeleteBookmark(ctx, stateID), r.Store.DeleteSetting(ctx, destinationScope(stateID), target))
}

// Described is a set as it would run.
type Described struct {
	Plugins []PluginReport // tap, mappings, target
	Tap     *Stage
	Target  *Stage
	Place   targets.Placer  // of a built-in target that can say it; else nil
	Catalog *singer.Catalog // with the project's rules applied; nil: the tap takes none
}

// Describe resolves a set as a run of it would be, and lets the tap discover.
func (r *Runner) Describe(ctx context.Context, plan *project.Set) (*Described, error) {
	alone, err := r.alone(plan.Extractor.Name)
	if err != nil {
		return nil, err
	}
	defer alone.close()
	settings, err := r.Project.Chain(ctx, plan, r.Flags)
	if err != nil {
		return nil, err
	}
	pins, bookmarked := map[string]plugins.Pin{}, false
	if r.Store != nil {
		if pins, bookmarked, err = verdicts(ctx, r.Store, plan.StateID); err != nil {
			return nil, err
		}
	}
	d := &Described{}
	for i, one := range settings {
		r.Redactor.Add(one.Secrets()...)
		q := plugins.Question{Bookmarked: bookmarked}
		if pin, ok := pins[one.Plugin.Name]; ok {
			q.Pin = &pin
		}
		stage, err := newStage(r.Plugins, one.Plugin.Name, one, q)
		if err != nil {
			return nil, err
		}
		d.Plugins = append(d.Plugins, NewPluginReport(stage.Choice))
		switch i {
		case 0:
			d.Tap = stage
		case len(settings) - 1:
			d.Target = stage
		}
	}
	if c := d.Target.Choice; c.Native {
		d.Place, _ = r.Plugins.Targets.Lookup(c.Connector).(targets.Placer)
	}
	if err := d.Tap.writeConfig(alone.folder, "plugin.config.json"); err != nil {
		return nil, err
	}
	if err := d.Tap.writeLogging(alone.folder, "plugin.", r.Console.Level()); err != nil {
		return nil, err
	}
	d.Catalog, err = r.catalog(ctx, d.Tap, alone)
	return d, err
}

// Held is a lease that is held without a run.
type Held struct {
	r      *Runner
	alone  *alone
	keeper *keeper
}

// Hold takes the lease of a state id (invariant 6), as a run does, and keeps
// it until Release. runID must be nobody else's.
func (r *Runner) Hold(ctx context.Context, stateID, runID string) (*Held, error) {
	r.fill()
	a := &alone{log: logging.Join(r.Console)}
	root := r.folders(stateID)
	var err error
	if a.folder, err = newFolder(root, runID); err != nil {
		return nil, err
	}
	if a.release, err = a.folder.held(); err != nil {
		return nil, errors.Join(err, a.folder.remove())
	}
	lease, err := acquire(ctx, r.Store, stateID, self(runID, r.Machine, a.folder.lock()), r.LeaseTTL, false, a.log)
	if err != nil {
		a.close()
		return nil, err
	}
	if err := sweep(root, time.Now()); err != nil {
		a.log.Warn().Err(err).Msg("files of a dead run are left behind")
	}
	return &Held{r: r, alone: a, keeper: keep(ctx, r.Store, lease, a.log)}, nil
}

// Lease is the lease as it stands.
func (h *Held) Lease() state.Lease { return h.keeper.current() }

// Lost is closed when somebody else has the lease.
func (h *Held) Lost() <-chan struct{} { return h.keeper.lost }

// Log is for what happens meanwhile.
func (h *Held) Log() zerolog.Logger { return h.alone.log }

// Release gives the lease back.
func (h *Held) Release(ctx context.Context) error {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := h.keeper.release(after)
	h.alone.close()
	if err != nil {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return nil
}
