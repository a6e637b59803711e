// Package validate is `elt validate`: everything wrong in a project at once.
package validate

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// Options are the options of `validate`.
type Options struct {
	Strict bool
}

// NewCmd is the command.
func NewCmd(app *cli.App, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Report everything wrong in the project",
		Long: `Check the project file and what it includes: keys, types, names, definitions of
plugins, settings in the active environment (unset variables, values that do
not fit, two variables for one setting, secrets written out), jobs, schedules,
and selection rules against the catalog of the last run. Nothing is started.

Exit code 1 when there are mistakes; with --strict for warnings too.`,
		Example: "  elt validate\n  elt --environment=prod validate --strict\n  elt validate --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), app, o)
		},
	}
	cmd.Flags().BoolVar(&o.Strict, "strict", false, "warnings are mistakes")
	return cmd
}

// finding is one of --json.
type finding struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func run(ctx context.Context, app *cli.App, o *Options) error {
	list, err := app.Validate(ctx)
	if err != nil {
		return err
	}
	failed := false
	out := []finding{}
	var b strings.Builder
	for _, f := range list {
		severity := "mistake"
		if f.Warning {
			severity = "warning"
		}
		failed = failed || !f.Warning || o.Strict
		message := f.Msg
		if f.Err != nil {
			message += ": " + f.Err.Error()
		}
		out = append(out, finding{severity, f.At.File, f.At.Line, f.At.Column, message, f.Hint})
		if f.Warning {
			b.WriteString("warning: ")
		}
		b.WriteString(fault.Render(f.Error) + "\n\n")
	}
	if app.Global.JSON {
		err = app.IO.PrintJSON(out)
	} else if len(list) == 0 {
		_, err = fmt.Fprintln(app.IO.Out, "The project is valid.")
	} else {
		_, err = fmt.Fprint(app.IO.Out, b.String())
	}
	if err != nil || !failed {
		return err
	}
	return fault.New(fault.Failed, "the project is not valid: %s", project.Summary(list))
}
