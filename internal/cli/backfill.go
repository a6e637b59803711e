package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"elt/internal/backfill"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/state"
)

// WindowFlags are the flags that make a run a backfill.
type WindowFlags struct {
	From, To, Chunk string
	Parallel        int
	AllowDuplicates bool
	ID              string // of the backfill; one that is there already goes on
}

// Add defines the flags of a command that runs sets.
func (w *WindowFlags) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.From, "from", "", "backfill: load what is `DATE` or newer, beside the regular runs")
	f.StringVar(&w.To, "to", "", "backfill: and older than this `DATE`")
	f.StringVar(&w.Chunk, "chunk", "", "backfill: a run for every `SPAN` of the window: 6h, 1d, 7d, 1w, 1mo")
	f.IntVar(&w.Parallel, "parallel", 1, "backfill: run `N` chunks at the same time")
	f.StringVar(&w.ID, "backfill", "", "backfill: its `ID`; one that is there already goes on")
	f.MarkHidden("backfill")
	f.BoolVar(&w.AllowDuplicates, "allow-duplicates", false, "backfill: append rows without a key though they may be there already")
}

// Given says whether the command is a backfill. Flags that do not go together
// are an error; alone are those that a backfill does not take.
func (w *WindowFlags) Given(cmd *cobra.Command, alone ...string) (bool, error) {
	changed := cmd.Flags().Changed
	if !changed("from") && !changed("to") {
		for _, flag := range []string{"chunk", "parallel", "allow-duplicates"} {
			if changed(flag) {
				return false, fault.New(fault.Usage, "--%s is for a backfill, and there is no window", flag).
					WithHint("give it one with --from DATE --to DATE")
			}
		}
		return false, nil
	}
	for one, other := range map[string]string{"from": "to", "to": "from"} {
		if !changed(one) {
			return true, fault.New(fault.Usage, "a window has two ends: --%s is given, --%s is not", other, one).
				WithHint("the window is half open: --from 2024-01-01 --to 2024-02-01 is January")
		}
	}
	if w.Parallel < 1 || w.Parallel > 64 {
		return true, fault.New(fault.Usage, "--parallel is %d", w.Parallel).WithHint("from 1 to 64 chunks at the same time")
	}
	for _, flag := range alone {
		if changed(flag) {
			return true, fault.New(fault.Usage, "--%s does not go with --from and --to", flag).
				WithHint("a backfill leaves the regular bookmark alone and keeps one per chunk; it reads each window from its beginning")
		}
	}
	return true, nil
}

// Backfill plans a backfill of a set and runs it; dry shows the plan and starts nothing.
func (a *App) Backfill(ctx context.Context, r *runner.Runner, set *project.Set, w WindowFlags, o backfill.Options, dry bool) error {
	window, err := backfill.ParseWindow(w.From, w.To)
	if err != nil {
		return err
	}
	o.Chunk, o.Parallel, o.AllowDuplicates = w.Chunk, w.Parallel, w.AllowDuplicates
	o.Tap = set.Extractor.Name
	o.Apply(r)
	if dry {
		r.Store, err = a.StoreIfAny(ctx)
	} else {
		r.Store, err = a.Store(ctx)
	}
	if err != nil {
		return err
	}
	if w.ID != "" && !dry {
		if _, err := r.Store.Backfill(ctx, w.ID); err == nil { // its daemon was stopped before it was done
			return a.ResumeBackfill(ctx, r, w.ID)
		} else if !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	plan, err := backfill.Make(ctx, r, set, window, o, a.Spec)
	switch {
	case err != nil && (plan == nil || len(plan.Streams) == 0):
		return err
	case dry && a.Global.JSON:
		return errors.Join(err, a.IO.PrintJSON(plan))
	case dry:
		printPlan(a.IO.Out, plan)
		return err
	}
	printPlan(a.IO.Err, plan)
	if err != nil {
		return err
	}
	if r.Timeout > 0 { // of all chunks together
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fault.New(fault.Failed, "stopped after --timeout %s", r.Timeout))
		defer cancel()
		r.Timeout = 0
	}
	defer a.tellLineage(r)()
	work := a.work(r)
	work.ID = w.ID
	b, err := work.New(ctx, set, plan, o)
	return a.ended(b, err)
}

// ResumeBackfill goes on with a backfill.
func (a *App) ResumeBackfill(ctx context.Context, r *runner.Runner, id string) error {
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	r.Store = store
	defer a.tellLineage(r)()
	b, err := a.work(r).Resume(ctx, id)
	return a.ended(b, err)
}

func (a *App) work(r *runner.Runner) *backfill.Work {
	return &backfill.Work{Runner: r, Specs: a.Spec, Watch: &chunkLines{out: a.IO.Err}, LeaseTTL: r.LeaseTTL}
}

// ended prints how a backfill stands after the work on it.
func (a *App) ended(b state.Backfill, err error) error {
	if b.ID == "" {
		return err
	}
	out := a.Redactor.Writer(a.IO.Out) // invariant 10: causes quote plugins
	defer out.Flush()
	if a.Global.JSON {
		return errors.Join(err, (&IOStreams{Out: out}).PrintJSON(NewBackfillReport(b)))
	}
	PrintBackfill(out, b)
	return err
}

// chunkLines says a line per chunk.
type chunkLines struct {
	out   io.Writer
	total int
}

func (c *chunkLines) Planned(id string, p *backfill.Plan, chunks int) {
	c.total = len(p.Chunks)
	fmt.Fprintf(c.out, "backfill %s: %d of %d chunks to run\n", id, chunks, c.total)
}

func (c *chunkLines) Started(state.Chunk) {}

func (c *chunkLines) Ended(k state.Chunk, s float64) {
	fmt.Fprintf(c.out, "  chunk %d of %d, %s to %s: %s, %d rows in %s\n", k.N, c.total,
		backfill.Text(k.From), backfill.Text(k.To), k.Status, k.Rows(), seconds(s))
}
