package config

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/project"
)

// ListOptions are the options of `config list`.
type ListOptions struct {
	group       *group
	Plugin      string
	Filter      string
	Extras, All bool
}

// NewCmdList is `config list`.
func NewCmdList(app *cli.App, g *group, runF func(context.Context, *ListOptions) error) *cobra.Command {
	o := &ListOptions{group: g}
	cmd := &cobra.Command{
		Use:     "list PLUGIN",
		Short:   "List a plugin's settings with their variables, values, and where those come from",
		Example: "  elt config list tap-gitlab\n  elt config list --extras tap-gitlab\n  elt config list tap-gitlab --filter url\n  elt config list tap-gitlab --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin = args[0]
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return listRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().BoolVar(&o.Extras, "extras", false, "list only the extras (select, metadata, …)")
	cmd.Flags().BoolVar(&o.All, "all", false, "list all settings (they always are)")
	cmd.Flags().StringVar(&o.Filter, "filter", "", "list only settings whose name has this in it")
	return cmd
}

// listed is one setting of `config list --json`.
type listed struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind,omitempty"`
	Label       string   `json:"label,omitempty"`
	Description string   `json:"description,omitempty"`
	Variables   []string `json:"env"`
	Value       any      `json:"value"`
	Default     any      `json:"default"`
	Source      string   `json:"source"`
	Variable    string   `json:"variable,omitempty"`
	Position    string   `json:"position,omitempty"`
	Sensitive   bool     `json:"sensitive"`
	Custom      bool     `json:"custom"`
	Extra       bool     `json:"extra"`
}

func listRun(ctx context.Context, app *cli.App, o *ListOptions) error {
	t, err := o.group.target(ctx, app, o.Plugin)
	if err != nil {
		return err
	}
	s, err := t.settings(ctx)
	if err != nil {
		return err
	}
	values := slices.DeleteFunc(s.Values, func(v project.Value) bool {
		d := v.Definition
		if o.Filter != "" && !strings.Contains(strings.ToLower(v.Name), strings.ToLower(strings.TrimSpace(o.Filter))) {
			return true
		}
		return o.Extras != d.Extra() && (o.Extras || !d.Custom)
	})
	if app.Global.JSON {
		out := []listed{}
		for _, v := range values {
			out = append(out, o.entry(t, v))
		}
		return app.IO.PrintJSON(out)
	}
	return o.print(app.IO.Out, t, values)
}

func (o *ListOptions) entry(t target, v project.Value) listed {
	d := v.Definition
	l := listed{Name: v.Name, Kind: d.Kind, Label: d.Label, Description: d.Description, Variables: t.variables(d),
		Value: current(v), Default: standard(d), Source: string(v.Source), Variable: v.Variable,
		Sensitive: d.Sensitive, Custom: d.Custom, Extra: d.Extra()}
	if v.At.File != "" {
		l.Position = v.At.String()
	}
	if o.group.masked(d) && v.Value != nil {
		l.Value = "(redacted)"
	}
	return l
}

func (o *ListOptions) print(w io.Writer, t target, values []project.Value) error {
	var b strings.Builder
	var groups [][]string
	if t.plugin != nil {
		groups = t.plugin.Groups
	}
	printGroups(&b, groups)
	customs, extras := false, false
	for _, v := range values {
		d := v.Definition
		switch {
		case d.Extra() && d.Custom && !extras:
			extras = true
			if o.Extras {
				b.WriteString("\nCustom:\n")
			} else {
				b.WriteString("\nCustom extras, plugin-specific options handled by Meltano:\n")
			}
		case !d.Extra() && d.Custom && !customs:
			customs = true
			b.WriteString("\nCustom, possibly unsupported by the plugin:\n")
		}
		o.line(&b, t, v, groups)
	}
	if t.plugin != nil && t.plugin.Docs != "" {
		fmt.Fprintf(&b, "\nTo learn more about %s and its settings, visit %s\n", t.label(), t.plugin.Docs)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printGroups(b *strings.Builder, groups [][]string) {
	switch len(groups) {
	case 0:
		return
	case 1:
		fmt.Fprintf(b, "Required settings: %s\n", strings.Join(slices.Sorted(slices.Values(groups[0])), ", "))
	default:
		b.WriteString("Setting groups (one of the following combinations is required):\n")
		for i, g := range groups {
			fmt.Fprintf(b, "  Group %d: %s\n", i+1, strings.Join(slices.Sorted(slices.Values(g)), ", "))
		}
	}
	b.WriteByte('\n')
}

// required says in which groups a setting is: "required by group 1".
func required(name string, groups [][]string) string {
	var in []string
	for i, g := range groups {
		if slices.Contains(g, name) {
			in = append(in, fmt.Sprint(i+1))
		}
	}
	switch {
	case len(in) == 0:
		return ""
	case len(groups) == 1 || len(in) == len(groups):
		return " (required)"
	case len(in) > 1:
		return " (required by groups " + strings.Join(in, ", ") + ")"
	}
	return " (required by group " + in[0] + ")"
}

func (o *ListOptions) line(b *strings.Builder, t target, v project.Value, groups [][]string) {
	d := v.Definition
	fmt.Fprintf(b, "%s%s [env: %s]", v.Name, required(v.Name, groups), strings.Join(t.variables(d), ", "))
	if def := standard(d); v.Source != project.FromDefault && def != nil {
		fmt.Fprintf(b, " (default: %s)", project.Repr(def))
	}
	value := project.Repr(current(v))
	if o.group.masked(d) && v.Value != nil {
		value = "(redacted)"
	}
	fmt.Fprintf(b, " current value: %s (%s", value, origin(t, v))
	if v.Unexpanded != nil && !o.group.masked(d) {
		fmt.Fprintf(b, ": %s", project.Repr(v.Unexpanded))
	}
	b.WriteString(")\n")
	if d.Description != "" {
		b.WriteByte('\t')
		if d.Label != "" {
			b.WriteString(d.Label + ": ")
		}
		b.WriteString(d.Description + "\n")
	}
}

// standard is a setting's default: the definition's, else the built-in connector's own.
func standard(d *project.Definition) any {
	if d.Default != nil {
		return d.Default
	}
	return d.Implied
}

// current is the value that counts.
func current(v project.Value) any {
	if v.Value == nil && v.Source == project.FromDefault {
		return v.Definition.Implied
	}
	return v.Value
}

// origin says in Meltano's words which layer a value comes from.
func origin(t target, v project.Value) string {
	file := "`" + filepath.Base(t.project.File) + "`"
	where := map[project.Source]string{
		project.FromFlag: "a command line flag", project.FromEnv: "the environment", project.FromDotenv: "`.env`",
		project.FromMapping: "the mapping", project.FromEnvironment: "the active environment in " + file,
		project.FromFile: file, project.FromDatabase: "the system database",
	}[v.Source]
	switch {
	case v.Source == project.FromDefault:
		return "default"
	case v.Source == project.FromParent && t.plugin != nil && t.plugin.Parent != nil:
		return "inherited from '" + t.plugin.Parent.Name + "'"
	case v.Variable != "":
		return "from the " + v.Variable + " variable in " + where
	}
	return "from " + where
}
