package test

import (
	"context"
	"fmt"
	"io"
	"time"

	"elt/internal/check"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
)

// result is the end of one check of a plugin, or of one of its tests.
type result struct {
	Plugin string `json:"plugin"`
	Test   string `json:"test"` // the check's name, or the command's
	Passed bool   `json:"passed"`
	// ExitCode is a command's; of a check it is 0 or 1.
	ExitCode int        `json:"exit_code"`
	Kind     fault.Kind `json:"kind,omitempty"`
	Detail   string     `json:"detail,omitempty"`
	Error    string     `json:"error,omitempty"`
	Hint     string     `json:"hint,omitempty"`
}

// perform tries all subjects, also after one that fails.
func perform(ctx context.Context, app *cli.App, p *project.Project, list []subject, patience time.Duration) error {
	r, err := app.Runner(ctx, p, runner.Options{})
	if err != nil {
		return err
	}
	results, failed := []result{}, 0
	tell := func(res result) {
		results = append(results, res)
		if !res.Passed {
			failed++
		}
		if !app.Global.JSON {
			show(app.IO.Out, res)
		}
	}
	for _, s := range list {
		if err := try(ctx, app, r, s, patience, tell); err != nil {
			return err
		}
	}
	if app.Global.JSON {
		if err := app.IO.PrintJSON(results); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fault.New(fault.Failed, "%d of %d tests failed", failed, len(results))
	}
	return nil
}

// try makes one plugin's checks and runs its tests. An error is that of ctx.
func try(ctx context.Context, app *cli.App, r *runner.Runner, s subject, patience time.Duration, tell func(result)) error {
	if s.checks {
		before := 0
		err := r.Check(ctx, s.plugin, patience, func(c check.Result) {
			before++
			code := 0
			if !c.Passed {
				code = 1
			}
			tell(result{s.plugin.Name, c.Check, c.Passed, code, c.Kind, c.Detail, c.Error, c.Hint})
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			tell(result{s.plugin.Name, "start", false, 1, fault.KindOf(err), "", err.Error(), fault.Advice(err)})
		case before == 0 && len(s.commands) == 0 && !app.Global.JSON:
			fmt.Fprintf(app.IO.Err, "%s has no test%s\n", s.plugin.Name, alternative(s.plugin))
		}
	}
	out := app.IO.Out
	if app.Global.JSON {
		out = app.IO.Err
	}
	for _, command := range s.commands {
		code, err := r.Invoke(ctx, s.plugin, command, nil, runner.Streams{In: app.IO.In, Out: out, Err: app.IO.Err})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		res := result{Plugin: s.plugin.Name, Test: command, Passed: err == nil && code == 0, ExitCode: code}
		if err != nil {
			res.Kind, res.Error, res.Hint = fault.KindOf(err), err.Error(), fault.Advice(err)
		}
		tell(res)
	}
	return nil
}

func alternative(p *project.Plugin) string {
	if p.Kind == project.Loaders {
		return fmt.Sprintf("; elt config test %s writes a small stream into it", p.Name)
	}
	return ""
}

func show(w io.Writer, r result) {
	name := r.Plugin + ":" + r.Test
	switch {
	case r.Passed && r.Detail != "":
		fmt.Fprintf(w, "%s passed: %s\n", name, r.Detail)
	case r.Passed:
		fmt.Fprintf(w, "%s passed\n", name)
	case r.Error == "":
		fmt.Fprintf(w, "%s failed (exit code %d)\n", name, r.ExitCode)
	default:
		fmt.Fprintf(w, "%s failed (%s): %s\n", name, r.Kind, r.Error)
	}
	if r.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", r.Hint)
	}
}
