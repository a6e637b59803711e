// Package secrets is `elt secrets`: what a project has to be told, and by
// which variables.
package secrets

import (
	"context"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/needs"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secrets",
		Short:   "Show which secrets and variables the project needs",
		Example: "  elt secrets required\n  elt secrets required --format kubectl",
	}
	cmd.AddCommand(newCmdRequired(app))
	return cmd
}

// flags are those of `elt secrets required`.
type flags struct {
	format, namespace, name string
	all, check              bool
}

func newCmdRequired(app *cli.App) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "required",
		Short: "List the secrets and variables that the project needs, and where each is used",
		Long: `List every secret and variable that the plugins in use (those that jobs and
schedules name; all when there are neither) are configured with: what the
project file names by $VARIABLE, sensitive and required settings without a
value, variables that set a setting now, and the address of the store. It says
which are set, and where each is used. Values are never shown.

  table    for people (the default)
  names    one name per line
  env      lines for an .env file, to be filled in
  kubectl  commands that make the Kubernetes secrets which elt deploy
           kubernetes refers to, from variables of the shell`,
		Example: `  elt secrets required --environment prod
  elt secrets required --format env > .env.example
  elt secrets required --format kubectl --namespace meltano | less
  elt secrets required --check && elt run nightly`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			print, ok := formats[f.format]
			if !ok {
				e := fault.New(fault.Usage, "--format %s is unknown", f.format)
				if near := fault.Nearest(f.format, names()); near != "" {
					return e.WithHint("did you mean %s?", near)
				}
				return e.WithHint("table, names, env or kubectl")
			}
			n, err := app.Needs(cmd.Context(), f.all)
			if err != nil {
				return err
			}
			if app.Global.JSON {
				err = app.IO.PrintJSON(listing(n))
			} else {
				err = print(app.IO.Out, n, f)
			}
			if err != nil {
				return err
			}
			return judge(cmd.Context(), app, n, f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", "table", "table, names, env or kubectl")
	fs.StringVar(&f.namespace, "namespace", "", "`namespace` of the Kubernetes secrets")
	fs.StringVar(&f.name, "name", "elt", "`name` that the Kubernetes secrets begin with")
	fs.BoolVar(&f.all, "all", false, "also of plugins that no job and no schedule names")
	fs.BoolVar(&f.check, "check", false, "exit 1 when a required one is not set")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// judge warns of secrets that stand in the file, and under --check fails when
// something is missing.
func judge(_ context.Context, app *cli.App, n *needs.Needs, f *flags) error {
	log := app.Log()
	for _, u := range n.Clear {
		log.Warn().Msgf("%s:%d: setting %s of %s is a secret and stands in the project file as it is: name a variable instead", u.File, u.Line, u.Setting, u.Plugin)
	}
	if missing := n.Missing(); f.check && len(missing) > 0 {
		return fault.New(fault.Failed, "%d of the variables that are required are not set, the first is %s", len(missing), missing[0]).
			WithHint("set them in the environment or in .env")
	}
	return nil
}
