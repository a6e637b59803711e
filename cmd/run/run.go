// Package run is `elt run`: jobs, sets of tap, mappings and target, and
// commands, one after another.
package run

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/backfill"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
)

// Options are the flags of `elt run`.
type Options struct {
	Blocks        []string
	Backfill      bool // of Window
	DryRun        bool
	StateIDSuffix string
	Timeout       int
	Strategy      string
	MergeState    bool
	Select        []string
	Exclude       []string
	Catalog       string
	State         string
	Max           Limits
	Window        cli.WindowFlags
	Run           runner.Options
}

// NewCmd is the command; runF replaces what it does, in tests.
func NewCmd(app *cli.App, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "run BLOCK...",
		Short: "Run taps into targets, jobs and commands, one after another",
		Long: `Run blocks in the order given; the first that fails ends the run.

With --from and --to it is a backfill: the window from <= t < to of one tap into
one target, cut in chunks, beside the regular runs and without touching their
bookmark. Dates are ISO 8601; one alone is its midnight in UTC. --dry-run shows
the plan. elt backfill lists, resumes and cancels backfills.

A block is a job, a command of a plugin (dbt:build), or a set: a tap, any
mappings, a target. All blocks are checked before the first is started.`,
		Example: `  elt run tap-csv target-sqlite
  elt run --environment prod tap-github hide-emails target-postgres dbt:run
  elt run nightly --full-refresh
  elt run tap-postgres target-jsonl --select users --exclude users_old
  elt run tap-postgres target-jsonl --limit 100         # a preview
  elt run tap-postgres target-postgres --max-rows 1000000 --max-rate 5MB/s
  elt run tap-rest target-postgres --from 2024-01-01 --to 2025-01-01 --chunk 1w
  ELT_TOKEN=… elt run nightly --server https://elt.example   # a daemon runs it`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: app.CompleteBlocks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Blocks = args
			if err := app.FlagsFromEnviron(cmd, variables); err != nil {
				return err
			}
			if err := o.settle(); err != nil {
				return err
			}
			if o.Timeout < 1 && cmd.Flags().Changed("timeout") {
				return fault.New(fault.Usage, "--timeout is %d", o.Timeout).WithHint("a number of seconds, at least 1")
			}
			var err error
			if o.Backfill, err = o.Window.Given(cmd, notInWindow...); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			if o.Run.Execution == "" { // else this is the daemon's own run, whatever ELT_SERVER says
				if server, err := app.Remote(cmd); err != nil || server != nil {
					return remote(cmd, app, server, o, err)
				}
			}
			return run(cmd.Context(), app, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.DryRun, "dry-run", false, "check the blocks, say what would run, start nothing")
	f.BoolVar(&o.Run.FullRefresh, "full-refresh", false, "start over: give the tap no state, discover anew")
	f.BoolVar(&o.Run.RefreshCatalog, "refresh-catalog", false, "discover anew instead of using a cached catalog")
	f.BoolVar(&o.Run.NoStateUpdate, "no-state-update", false, "do not store the bookmark of this run")
	f.BoolVarP(&o.Run.Force, "force", "f", false, "run also while another run of the same state id is going on")
	f.StringVar(&o.StateIDSuffix, "state-id-suffix", "", "append `TEXT` to the state id")
	f.StringVar(&o.Strategy, "state-strategy", "auto", "merge the new bookmark into the stored one, or overwrite it: auto, merge or overwrite")
	f.BoolVar(&o.MergeState, "merge-state", false, "the same as --state-strategy=merge")
	cli.UUIDVar(f, &o.Run.RunID, "run-id", "`UUID` of this run")
	f.StringVar(&o.Run.Trigger, "trigger", "", "who asked for this run")
	f.StringVar(&o.Run.Execution, "execution", "", "the execution that this run belongs to")
	o.Max.add(f, &o.Run.Limit)
	f.IntVar(&o.Timeout, "timeout", 0, "stop the run after this many `SECONDS`")
	f.BoolVar(&o.Run.NoFuse, "no-fuse", false, "run a built-in tap and target in two processes")
	f.BoolVar(&o.Run.TrustState, "trust-state", false, "go on although the destination has lost its position")
	f.StringArrayVarP(&o.Select, "select", "s", nil, "only streams that match the `PATTERN`, in this run")
	f.StringArrayVarP(&o.Exclude, "exclude", "e", nil, "no streams that match the `PATTERN`, in this run")
	f.StringVar(&o.Catalog, "catalog", "", "use this catalog `FILE`")
	f.StringVar(&o.State, "state", "", "give the tap the state in this `FILE`")
	f.StringVar(&o.Run.StateOf, "state-of", "", "take the bookmark back to where the run `RUN_ID` began")
	o.Window.Add(cmd)
	app.ServerFlag(cmd)
	cli.InstallFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("state-of", "state")
	cmd.MarkFlagsMutuallyExclusive("state-of", "no-state-update")
	f.MarkHidden("merge-state")
	f.MarkHidden("trigger")
	f.MarkHidden("execution")
	cmd.RegisterFlagCompletionFunc("select", app.CompleteStreams())
	cmd.RegisterFlagCompletionFunc("exclude", app.CompleteStreams())
	return cmd
}

// notInWindow are flags that a backfill does not take.
var notInWindow = []string{"full-refresh", "no-state-update", "force", "state", "state-of", "state-strategy", "merge-state", "run-id", "trust-state",
	"max-rows", "max-bytes", "max-duration", "max-rate", "limit"}

// variables stand for flags that are not typed.
var variables = map[string]string{
	"full-refresh": "MELTANO_RUN_FULL_REFRESH", "refresh-catalog": "MELTANO_RUN_REFRESH_CATALOG",
	"no-state-update": "MELTANO_RUN_NO_STATE_UPDATE", "force": "MELTANO_RUN_FORCE",
	"state-id-suffix": "MELTANO_RUN_STATE_ID_SUFFIX", "state-strategy": "MELTANO_RUN_STATE_STRATEGY",
	"run-id": "MELTANO_RUN_ID", "timeout": "MELTANO_RUN_TIMEOUT",
	"max-rows": "ELT_MAX_ROWS", "max-bytes": "ELT_MAX_BYTES", "max-duration": "ELT_MAX_DURATION", "max-rate": "ELT_MAX_RATE", "limit": "ELT_LIMIT",
}

func (o *Options) settle() error {
	if err := o.Max.check(o.Run.Limit); err != nil {
		return err
	}
	o.Run.NoStateUpdate = o.Run.NoStateUpdate || o.Run.Limit > 0
	o.Run.Timeout = time.Duration(o.Timeout) * time.Second
	if o.MergeState {
		o.Strategy = string(runner.Merge)
	}
	switch o.Run.Strategy = runner.Strategy(o.Strategy); o.Run.Strategy {
	case runner.Automatic, runner.Merge, runner.Overwrite:
		return nil
	}
	return fault.New(fault.Usage, "--state-strategy is %q", o.Strategy).WithHint("one of auto, merge, overwrite")
}

func run(ctx context.Context, app *cli.App, o *Options) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	plan, err := p.Plan(o.Blocks, project.PlanOptions{StateIDSuffix: o.StateIDSuffix})
	if err != nil {
		return err
	}
	if o.Backfill {
		return window(ctx, app, p, plan, o)
	}
	for _, b := range plan.Blocks {
		if b.Set == nil {
			continue
		}
		tap := b.Set.Extractor.Name
		o.Run.Select(tap, o.Select, o.Exclude)
		o.Max.flag(&o.Run, tap)
		if o.Catalog != "" {
			o.Run.Flag(tap, "_catalog", o.Catalog)
		}
		if o.State != "" {
			o.Run.Flag(tap, "_state", o.State)
		}
	}
	r, err := app.Runner(ctx, p, o.Run)
	if err != nil {
		return err
	}
	if o.DryRun {
		return app.ShowPlan(ctx, r, plan)
	}
	return app.RunPlan(ctx, r, plan)
}

// window is a run with --from and --to.
func window(ctx context.Context, app *cli.App, p *project.Project, plan *project.Plan, o *Options) error {
	set, err := backfill.Set(plan)
	if err != nil {
		return err
	}
	r, err := app.Runner(ctx, p, o.Run)
	if err != nil {
		return err
	}
	return app.Backfill(ctx, r, set, o.Window, backfill.Options{
		Select: o.Select, Exclude: o.Exclude, Catalog: o.Catalog, NoFuse: o.Run.NoFuse,
	}, o.DryRun)
}
