package runner

import (
	"time"

	"elt/internal/project"
	"elt/internal/singer"
	"elt/state"
)

// Strategy says what becomes of a stored bookmark when a new one comes.
type Strategy string

// The strategies of --state-strategy.
const (
	Automatic Strategy = "auto"      // merge on a full refresh, else overwrite
	Merge     Strategy = "merge"     // merge into what is there
	Overwrite Strategy = "overwrite" // replace it
)

// Options are what a user asks of a run.
type Options struct {
	RunID       string // of the first block; "" makes one
	Trigger     string // "cli", "schedule"
	Execution   string // that the run belongs to; "" none
	FullRefresh bool
	// StateOf is a run, or an execution: each bookmark is taken back to where it
	// began. A full refresh needs none.
	StateOf        string
	RefreshCatalog bool
	NoStateUpdate  bool
	Force          bool // run beside a running one
	TrustState     bool // accept a destination that lost its position
	NoFuse         bool // two processes also where one would do
	Strategy       Strategy
	Timeout        time.Duration // of all blocks together; 0 is none
	Limit          int64         // rows of each stream, for a preview; 0 is no limit
	// Window makes the run one chunk of a backfill; nil: a regular one.
	Window *Window
	// Flags override settings, by plugin and setting name ("_select_filter").
	Flags map[string]map[string]any
	// LeaseTTL and Grace are 30 s and 22 s when zero.
	LeaseTTL, Grace time.Duration
	// Keep runs per state id, and days; older ones are pruned after each run.
	KeepRuns int
	KeepAge  time.Duration
}

func (o Options) merge() bool {
	return o.Strategy == Merge || o.FullRefresh && (o.Strategy == Automatic || o.Strategy == "")
}

// Select narrows a run to streams, as `elt run --select` does.
func (o *Options) Select(tap string, include, exclude []string) {
	if len(include) == 0 && len(exclude) == 0 {
		return
	}
	var patterns []any
	for _, s := range include {
		patterns = append(patterns, s)
	}
	for _, s := range exclude {
		patterns = append(patterns, "!"+s)
	}
	o.Flag(tap, "_select_filter", patterns)
}

// Flag gives a plugin's setting a value that stands above all layers.
func (o *Options) Flag(plugin, setting string, value any) {
	if o.Flags == nil {
		o.Flags = map[string]map[string]any{}
	}
	if o.Flags[plugin] == nil {
		o.Flags[plugin] = map[string]any{}
	}
	o.Flags[plugin][setting] = value
}

// Watcher is told of a set on its way, for progress.
type Watcher interface {
	// Begin is called when rows may come. Live may be called at any time until
	// the function returned is.
	Begin(set *project.Set, live func() Live) (end func())
}

// Live is how far a set is.
type Live struct {
	Streams    []StreamReport
	Seconds    float64
	Bottleneck string // the plugin that the others wait for; "" when unknown
}

// Teller is told how a set begins and how it ends: once each, and before any
// row moves. It must not block.
type Teller interface {
	Began(b Beginning)
	Ended(b Beginning, r *BlockReport)
}

// Beginning is a set that is about to move rows.
type Beginning struct {
	RunID, Execution, StateID string
	Name, Job                 string
	Started                   time.Time
	Tap, Target               *Stage
	Catalog                   *singer.Catalog // of the tap, with what is selected; nil: it has none
}

type nobody struct{}

func (nobody) Began(Beginning) {}

func (nobody) Ended(Beginning, *BlockReport) {}

func (nobody) Begin(*project.Set, func() Live) func() { return func() {} }

// Store is what a run needs of the state store.
type Store = state.Store
