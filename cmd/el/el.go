// Package el is `elt el` (and `elt elt`): one tap into one target under a
// state id of the user's choice.
package el

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/backfill"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
)

// Options are the flags of `elt el`.
type Options struct {
	Tap, Target string
	StateID     string
	Select      []string
	Exclude     []string
	Catalog     string
	State       string
	Dump        string
	Dry         bool
	Strategy    string
	MergeState  bool
	Window      cli.WindowFlags
	Backfill    bool // of Window
	Run         runner.Options
}

// NewCmd is the command el.
func NewCmd(app *cli.App, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "el TAP TARGET",
		Short: "Run one tap into one target under a state id",
		Long: `Run one tap into one target. The bookmark is kept under exactly the state id
given; without one it is kept under a name made of the time, which no later
run finds.`,
		Example: `  elt el tap-csv target-sqlite --state-id=my-id
  elt el tap-github target-jsonl --state-id=x --select commits
  elt el tap-github target-jsonl --state-id=x --dump=catalog
  elt el tap-rest target-sqlite --state-id=x --from 2024-01-01 --to 2024-02-01`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return app.CompletePlugins(project.Extractors)(cmd, args, typed)
			case 1:
				return app.CompletePlugins(project.Loaders)(cmd, args, typed)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Tap, o.Target = args[0], args[1]
			if err := app.FlagsFromEnviron(cmd, map[string]string{"state-id": "MELTANO_STATE_ID", "run-id": "MELTANO_RUN_ID"}); err != nil {
				return err
			}
			if err := o.settle(); err != nil {
				return err
			}
			var err error
			if o.Backfill, err = o.Window.Given(cmd, "full-refresh", "force", "state", "state-of", "state-strategy", "merge-state", "run-id", "trust-state", "dump"); err != nil {
				return err
			}
			if o.Backfill && o.StateID == "" {
				return fault.New(fault.Usage, "a backfill needs --state-id").WithHint("the state id of the regular runs, beside which it is loaded")
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return el(cmd.Context(), app, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.StateID, "state-id", "", "keep the bookmark under this `ID`")
	f.StringArrayVarP(&o.Select, "select", "s", nil, "only streams that match the `PATTERN`")
	f.StringArrayVarP(&o.Exclude, "exclude", "e", nil, "no streams that match the `PATTERN`")
	f.StringVar(&o.Catalog, "catalog", "", "use this catalog `FILE`")
	f.StringVar(&o.State, "state", "", "give the tap the state in this `FILE`")
	f.StringVar(&o.Run.StateOf, "state-of", "", "take the bookmark back to where the run `RUN_ID` began")
	f.StringVar(&o.Dump, "dump", "", "print catalog, state, extractor-config or loader-config, and run nothing")
	f.BoolVar(&o.Dry, "dry", false, "check, say what would run, start nothing")
	f.BoolVar(&o.Run.FullRefresh, "full-refresh", false, "start over: give the tap no state")
	f.BoolVar(&o.Run.RefreshCatalog, "refresh-catalog", false, "discover anew")
	f.BoolVarP(&o.Run.Force, "force", "f", false, "run also while another run of the same state id is going on")
	f.StringVar(&o.Strategy, "state-strategy", "auto", "auto, merge or overwrite")
	f.BoolVar(&o.MergeState, "merge-state", false, "the same as --state-strategy=merge")
	cli.UUIDVar(f, &o.Run.RunID, "run-id", "`UUID` of this run")
	f.BoolVar(&o.Run.NoFuse, "no-fuse", false, "run a built-in tap and target in two processes")
	f.BoolVar(&o.Run.TrustState, "trust-state", false, "go on although the destination has lost its position")
	f.StringVar(&o.Run.Trigger, "trigger", "", "who asked for this run")
	f.StringVar(&o.Run.Execution, "execution", "", "the execution that this run belongs to")
	cmd.MarkFlagsMutuallyExclusive("state-of", "state")
	f.MarkHidden("merge-state")
	f.MarkHidden("trigger")
	f.MarkHidden("execution")
	cmd.RegisterFlagCompletionFunc("select", app.CompleteStreams())
	cmd.RegisterFlagCompletionFunc("exclude", app.CompleteStreams())
	f.BoolVar(&o.Dry, "dry-run", false, "the same as --dry")
	o.Window.Add(cmd)
	cli.InstallFlags(cmd)
	return cmd
}

// NewLegacyCmd is the command elt: el with a transform, which is not run.
func NewLegacyCmd(app *cli.App) *cobra.Command {
	cmd := NewCmd(app, nil)
	cmd.Use, cmd.Short, cmd.Hidden = "elt TAP TARGET", "The same as el, with --transform (deprecated)", true
	transform := cmd.Flags().String("transform", "skip", "skip, run or only")
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *transform != "skip" {
			return fault.New(fault.Failed, "--transform=%s: transforms are not run here", *transform).
				WithHint("run them as a block of their own: elt run %s dbt:run, or a job of those blocks", strings.Join(args, " "))
		}
		return inner(cmd, args)
	}
	return cmd
}

func (o *Options) settle() error {
	if o.MergeState {
		o.Strategy = string(runner.Merge)
	}
	switch o.Run.Strategy = runner.Strategy(o.Strategy); o.Run.Strategy {
	case runner.Automatic, runner.Merge, runner.Overwrite:
	default:
		return fault.New(fault.Usage, "--state-strategy is %q", o.Strategy).WithHint("one of auto, merge, overwrite")
	}
	switch o.Dump {
	case "", "catalog", "state", "extractor-config", "loader-config":
		return nil
	}
	return fault.New(fault.Usage, "--dump is %q", o.Dump).WithHint("one of catalog, state, extractor-config, loader-config")
}

func el(ctx context.Context, app *cli.App, o *Options) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	if o.StateID == "" && o.Dump == "" && !o.Dry {
		log := app.Log()
		log.Warn().Msg("no --state-id: the bookmark of this run is kept under a name that no later run finds")
	}
	if o.StateID == "" {
		o.StateID = time.Now().UTC().Format("2006-01-02T150405") + "--" + o.Tap + "--" + o.Target
	}
	set, err := p.Pair(o.Tap, o.Target, o.StateID)
	if err != nil {
		return err
	}
	if o.Backfill {
		o.Run.RefreshCatalog = true
		r, err := app.Runner(ctx, p, o.Run)
		if err != nil {
			return err
		}
		return app.Backfill(ctx, r, set, o.Window, backfill.Options{
			Select: o.Select, Exclude: o.Exclude, Catalog: o.Catalog, NoFuse: o.Run.NoFuse,
		}, o.Dry)
	}
	o.Run.RefreshCatalog = true // a run of its own discovers anew, as Meltano's does
	o.Run.Select(o.Tap, o.Select, o.Exclude)
	for setting, value := range map[string]string{"_catalog": o.Catalog, "_state": o.State} {
		if value != "" {
			o.Run.Flag(o.Tap, setting, value)
		}
	}
	r, err := app.Runner(ctx, p, o.Run)
	if err != nil {
		return err
	}
	plan := &project.Plan{Blocks: []project.Block{{Set: set}}}
	switch {
	case o.Dump != "":
		return dump(ctx, app, r, set, o.Dump)
	case o.Dry:
		return app.ShowPlan(ctx, r, plan)
	}
	return app.RunPlan(ctx, r, plan)
}

// dump prints one of the files that a run would hand to tap or target.
func dump(ctx context.Context, app *cli.App, r *runner.Runner, set *project.Set, what string) (err error) {
	if r.Store, err = app.Store(ctx); err != nil {
		return err
	}
	var raw []byte
	switch what {
	case "catalog":
		catalog, err := r.Catalog(ctx, set.Extractor)
		if err != nil {
			return err
		}
		if catalog == nil {
			return fault.New(fault.Failed, "%s has no catalog", set.Extractor.Name)
		}
		if raw, err = catalog.Print(); err != nil {
			return err
		}
	case "state":
		if !r.FullRefresh {
			if raw, err = r.StartState(ctx, set); err != nil {
				return err
			}
		}
		if raw == nil {
			return fault.New(fault.Failed, "there is no state under the state id %s", set.StateID)
		}
	default:
		settings, err := r.Project.Chain(ctx, set, r.Flags)
		if err != nil {
			return err
		}
		one := settings[0]
		if what == "loader-config" {
			one = settings[len(settings)-1]
		}
		if raw, err = one.Config(); err != nil {
			return err
		}
	}
	return app.IO.PrintRaw(raw)
}
