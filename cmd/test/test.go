// Package test is `elt test`: the commands of plugins whose names start with
// "test".
package test

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
)

type one struct {
	plugin  *project.Plugin
	command string
}

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "test [PLUGIN[:TEST]...]",
		Short: "Run the tests of plugins: commands whose names start with test",
		Example: `  elt test dbt
  elt test dbt:test-sources great_expectations
  elt test --all`,
		ValidArgsFunction: app.CompletePlugins(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !all && len(args) == 0 {
				return fault.New(fault.Usage, "no plugin is named").WithHint("name some, or pass --all")
			}
			p, err := app.Project(cmd.Context())
			if err != nil {
				return err
			}
			tests, err := collect(p, args, all)
			if err != nil {
				return err
			}
			return runTests(cmd.Context(), app, p, tests)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "the tests of all plugins")
	cli.InstallFlags(cmd)
	return cmd
}

func collect(p *project.Project, names []string, all bool) ([]one, error) {
	var tests []one
	if all {
		for _, plugin := range p.Plugins("") {
			tests = append(tests, testsOf(plugin)...)
		}
		return tests, nil
	}
	for _, arg := range names {
		name, command, named := strings.Cut(arg, ":")
		plugin, err := p.Plugin("", name)
		if err != nil {
			return nil, err
		}
		if named {
			if _, ok := plugin.Commands[command]; !ok {
				e := fault.New(fault.Failed, "plugin %s has no test %q", name, command)
				return nil, e.WithHint("it has: %s", strings.Join(commandNames(testsOf(plugin)), ", "))
			}
			tests = append(tests, one{plugin, command})
			continue
		}
		found := testsOf(plugin)
		tests = append(tests, found...)
	}
	return tests, nil
}

func testsOf(p *project.Plugin) []one {
	var out []one
	for _, name := range p.CommandNames {
		if strings.HasPrefix(name, "test") {
			out = append(out, one{p, name})
		}
	}
	return out
}

func commandNames(tests []one) []string {
	var out []string
	for _, t := range tests {
		out = append(out, t.command)
	}
	return out
}

// result is one test's end, for --json.
type result struct {
	Plugin   string `json:"plugin"`
	Test     string `json:"test"`
	ExitCode int    `json:"exit_code"`
	Passed   bool   `json:"passed"`
	Error    string `json:"error,omitempty"`
}

// runTests runs all tests, also after one that fails.
func runTests(ctx context.Context, app *cli.App, p *project.Project, tests []one) error {
	r, err := app.Runner(ctx, p, runner.Options{})
	if err != nil {
		return err
	}
	out := app.IO.Out
	if app.Global.JSON {
		out = app.IO.Err
	}
	results, failed := []result{}, 0
	for _, t := range tests {
		code, err := r.Invoke(ctx, t.plugin, t.command, nil, runner.Streams{In: app.IO.In, Out: out, Err: app.IO.Err})
		if ctx.Err() != nil {
			return err
		}
		res := result{t.plugin.Name, t.command, code, err == nil && code == 0, ""}
		if err != nil {
			res.Error = fault.Render(err)
		}
		if !res.Passed {
			failed++
		}
		results = append(results, res)
	}
	if app.Global.JSON {
		if err := app.IO.PrintJSON(results); err != nil {
			return err
		}
	} else {
		for _, res := range results {
			word := "passed"
			if !res.Passed {
				word = fmt.Sprintf("failed (exit code %d) %s", res.ExitCode, res.Error)
			}
			fmt.Fprintf(app.IO.Err, "%s:%s %s\n", res.Plugin, res.Test, word)
		}
	}
	if failed > 0 {
		return fault.New(fault.Failed, "%d of %d tests failed", failed, len(results))
	}
	return nil
}
