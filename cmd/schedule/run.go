package schedule

import (
	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

func newCmdRun(app *cli.App, hooks Hooks) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run NAME [OPTIONS…]",
		Short: "Run a schedule now",
		Long: `Run what a schedule runs, with its variables: its job by "elt run", or its pair
by "elt el" under the schedule's name as state id. Options after the name are
passed on; the exit code is the run's.`,
		Example:           "  elt schedule run nightly\n  elt schedule run nightly --full-refresh",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			s, err := p.Schedule(args[0])
			if err != nil {
				return err
			}
			if hooks.Run == nil {
				return fault.New(fault.Failed, "this build cannot run plugins")
			}
			argv, err := runArgs(app, p, s, args[1:])
			if err != nil {
				return err
			}
			code, err := hooks.Run(cmd.Context(), argv, s.Env)
			if err != nil {
				return err
			}
			if code != 0 {
				return cli.ExitCode(code) // the run has said itself what was wrong
			}
			return nil
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the name is the run's
	return cmd
}

// runArgs are the arguments of the elt that runs the schedule.
func runArgs(app *cli.App, p *project.Project, s project.Schedule, more []string) ([]string, error) {
	g := app.Global
	argv := []string{"--cwd", p.Root}
	if g.Environment != "" {
		argv = append(argv, "--environment", g.Environment)
	}
	if g.NoEnvironment {
		argv = append(argv, "--no-environment")
	}
	for name, v := range map[string]string{"--env-file": g.EnvFile, "--log-level": g.LogLevel, "--log-format": g.LogFormat} {
		if v != "" {
			argv = append(argv, name, v)
		}
	}
	if s.Job == "" {
		return append(append(argv, s.Command()...), more...), nil
	}
	if _, err := jobFor(p, s); err != nil {
		return nil, err
	}
	return append(append(append(argv, "run"), more...), s.Job), nil
}
