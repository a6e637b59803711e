package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"elt/internal/project"
	"elt/internal/runner"
	"elt/state"
	"elt/targets"
)

// RunPlan runs a plan with progress on standard error and the summary (with
// --json the report) on standard output.
func (a *App) RunPlan(ctx context.Context, r *runner.Runner, plan *project.Plan) error {
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	r.Store = store
	progress := a.newProgress()
	r.Watcher = progress
	if progress.bars != nil { // log lines go above the bars
		r.Console = a.Console(a.Redactor.Writer(progress.bars))
	}
	told := a.tellLineage(r)
	from := time.Now()
	report, err := r.Run(ctx, plan)
	progress.close()
	told()
	a.sendTrace(ctx, r, report, err, from)
	out := a.Redactor.Writer(a.IO.Out) // invariant 10: causes and notes quote plugins
	defer out.Flush()
	if a.Global.JSON {
		return errors.Join(err, (&IOStreams{Out: out}).PrintJSON(report))
	}
	for _, b := range report.Blocks {
		printBlock(out, b)
	}
	return err
}

// printBlock is the summary of one block.
func printBlock(w io.Writer, b *runner.BlockReport) {
	status := b.Status
	if b.Unconfirmed {
		status += ", unconfirmed"
	}
	fmt.Fprintf(w, "%s: %s in %s", b.Name, status, seconds(b.Seconds))
	if b.StateID != "" {
		fmt.Fprintf(w, "  (state id %s)", b.StateID)
	}
	fmt.Fprintln(w)
	t := Table{Header: []string{"  stream", "rows", "bytes", "seconds", "rows/s", "bookmark"}}
	for _, s := range b.Streams {
		t.Add("  "+s.Stream, s.Rows, byteCount(s.Bytes), fmt.Sprintf("%.1f", s.Seconds),
			fmt.Sprintf("%.0f", s.RowsPerSecond), shorten(string(s.Bookmark), 60))
	}
	t.Print(w)
	for _, s := range b.Streams {
		if s.Rejected > 0 {
			fmt.Fprintf(w, "  %s: %d records rejected\n", s.Stream, s.Rejected)
		}
		if s.Error != "" {
			fmt.Fprintf(w, "  %s: %s\n", s.Stream, s.Error)
		}
	}
	for _, c := range b.Changes {
		for _, change := range c.Changes {
			if change.Kind != "create" {
				fmt.Fprintf(w, "  %s: %s\n", c.Stream, changeText(change))
			}
		}
	}
	for _, p := range b.Plugins {
		fmt.Fprintf(w, "  %s\n", pluginLine(p))
	}
	if b.Fused {
		fmt.Fprintln(w, "  both in one process (--no-fuse uses two)")
	}
	for _, n := range b.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	if b.Status != state.Succeeded && b.LogPath != "" {
		fmt.Fprintf(w, "  log: %s\n", b.LogPath)
	}
}

func changeText(c targets.Change) string {
	words := []string{"schema change", c.Kind}
	for _, w := range []string{c.Column, c.Detail} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

func pluginLine(p runner.PluginReport) string {
	if !p.Native && p.Command == "" {
		return fmt.Sprintf("%s ran as nothing: %s", p.Name, p.Reason)
	}
	if !p.Native {
		return fmt.Sprintf("%s ran as %s: %s", p.Name, p.Command, p.Reason)
	}
	if p.Dialect != "" {
		return fmt.Sprintf("%s ran as built-in %s, dialect %s: %s", p.Name, p.Connector, p.Dialect, p.Reason)
	}
	return fmt.Sprintf("%s ran as built-in %s: %s", p.Name, p.Connector, p.Reason)
}

// ShowPlan says what a plan would run, starting nothing.
func (a *App) ShowPlan(ctx context.Context, r *runner.Runner, plan *project.Plan) error {
	var err error
	if r.Store, err = a.StoreIfAny(ctx); err != nil {
		return err
	}
	blocks, err := r.Preview(ctx, plan)
	if a.Global.JSON {
		return errors.Join(err, a.IO.PrintJSON(blocks))
	}
	for _, b := range blocks {
		fmt.Fprint(a.IO.Out, b.Name)
		if b.StateID != "" {
			fmt.Fprintf(a.IO.Out, "  (state id %s)", b.StateID)
		}
		fmt.Fprintln(a.IO.Out)
		for _, p := range b.Plugins {
			fmt.Fprintf(a.IO.Out, "  %s\n", strings.Replace(pluginLine(p), " ran as ", " runs as ", 1))
		}
		for _, n := range b.Notes {
			fmt.Fprintf(a.IO.Out, "  note: %s\n", n)
		}
	}
	return err
}

func seconds(s float64) string {
	switch {
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", int(s)/60, int(s)%60)
	}
	return fmt.Sprintf("%d h %02d min", int(s)/3600, int(s)/60%60)
}

func byteCount(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, names := float64(n)/unit, []string{"kB", "MB", "GB", "TB", "PB"}
	for len(names) > 1 && f >= unit {
		f, names = f/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", f, names[0])
}

func shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}
