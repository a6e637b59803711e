package config

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// SetOptions are the options of `config set`.
type SetOptions struct {
	group    *group
	Plugin   string
	Setting  []string
	Value    string
	Store    string
	FromFile string
}

// NewCmdSet is `config set`.
func NewCmdSet(app *cli.App, g *group, runF func(context.Context, *SetOptions) error) *cobra.Command {
	o := &SetOptions{group: g}
	cmd := &cobra.Command{
		Use:   "set PLUGIN SETTING… VALUE",
		Short: "Write a setting",
		Long: `Write a setting. Sensitive settings go into .env, the others into the project
file: into the environment's block when --environment names one, else into
the plugin's entry. --store chooses another place. The value of a known
setting is read as its kind says: JSON for lists and objects.`,
		Example: `  elt config set tap-gitlab projects "group/project"
  elt config set tap-postgres ssl.mode require
  elt config set tap-gitlab _select '["users.*"]'
  elt config set --store dotenv tap-gitlab private_token secret
  elt config set tap-x private_key --from-file key.pem`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin = args[0]
			o.Setting, o.Value = settingPath(args[1:len(args)-1]), args[len(args)-1]
			if o.FromFile != "" {
				o.Setting = settingPath(args[1:])
			} else if len(args) < 3 {
				return fault.New(fault.Usage, "config set takes a plugin, a setting and a value")
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return setRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Store, "store", "auto", "where to: auto, dotenv, meltano_yml, meltano_environment, db")
	cmd.Flags().StringVar(&o.FromFile, "from-file", "", "read the value from a file, - is standard input")
	return cmd
}

func setRun(ctx context.Context, app *cli.App, o *SetOptions) error {
	t, err := o.group.target(ctx, app, o.Plugin)
	if err != nil {
		return err
	}
	if o.FromFile != "" {
		if o.Value, err = readValue(app, o.FromFile); err != nil {
			return err
		}
	}
	name := strings.Join(o.Setting, ".")
	d := t.definition(name)
	var value any = o.Value
	if d != nil {
		if value, err = d.Cast(o.Value); err != nil {
			return fault.New(fault.Failed, "setting %s: %v", name, err)
		}
		name = strings.Join(o.Setting, ".")
	}
	w := writer{app, t, d, o.Setting}
	where, err := w.choose(o.Store)
	if err != nil {
		return err
	}
	if err := w.set(ctx, where, value); err != nil {
		return err
	}
	shown := project.Repr(value)
	if o.group.masked(d) {
		shown = "(redacted)"
	}
	_, err = fmt.Fprintf(app.IO.Out, "%s setting '%s' was set in %s: %s\n", capital(t.label()), name, where.label(t), shown)
	return err
}

func readValue(app *cli.App, path string) (string, error) {
	if path == "-" {
		text, err := io.ReadAll(app.IO.In)
		return strings.TrimSpace(string(text)), err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "cannot read the value")
	}
	return strings.TrimSpace(string(text)), nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// confirmed asks a yes-or-no question on standard input.
func confirmed(app *cli.App, question string) bool {
	fmt.Fprintf(app.IO.Err, "%s [y/N]: ", question)
	line, _ := bufio.NewReader(app.IO.In).ReadString('\n') // no answer is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
