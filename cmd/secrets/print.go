package secrets

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"elt/internal/cli"
	"elt/internal/deploy"
	"elt/internal/needs"
)

// formats print what is needed; f has the options of some.
var formats = map[string]func(w io.Writer, n *needs.Needs, f *flags) error{
	"table": printTable, "names": printNames, "env": printEnv, "kubectl": printKubectl,
}

func names() []string { return slices.Sorted(maps.Keys(formats)) }

// listed is the form of --json.
type listed struct {
	Environment string           `json:"environment,omitempty"`
	Variables   []needs.Variable `json:"variables"`
	InClear     []needs.Use      `json:"in_clear"`
}

func listing(n *needs.Needs) listed { return listed{n.Environment, n.Variables, n.Clear} }

func printTable(w io.Writer, n *needs.Needs, _ *flags) error {
	t := cli.Table{Header: []string{"variable", "kind", "state", "used by"}}
	for _, v := range n.Variables {
		kind, state := "variable", "optional"
		if v.Secret {
			kind = "secret"
		}
		switch {
		case v.Set:
			state = "set (" + v.By + ")"
		case v.Required:
			state = "MISSING"
		}
		t.Add(v.Name, kind, state, uses(v.Uses))
	}
	return t.Print(w)
}

// uses are the first places where a variable is used.
func uses(list []needs.Use) string {
	var out []string
	for _, u := range list[:min(3, len(list))] {
		text := u.Setting
		if u.Plugin != "" {
			text = u.Plugin + " " + u.Setting
		}
		if u.Line > 0 {
			text += fmt.Sprintf(" (%s:%d)", u.File, u.Line)
		}
		out = append(out, text)
	}
	if more := len(list) - 3; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

func printNames(w io.Writer, n *needs.Needs, _ *flags) error {
	for _, v := range n.Variables {
		if v.Required || v.Set {
			if _, err := fmt.Fprintln(w, v.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func printEnv(w io.Writer, n *needs.Needs, _ *flags) error {
	var b strings.Builder
	for _, group := range needs.Groups() {
		first := true
		for _, v := range n.Variables {
			if v.Group != group {
				continue
			}
			if first {
				fmt.Fprintf(&b, "\n##### %s\n", group)
				first = false
			}
			off := ""
			if !v.Required && !v.Set {
				off = "# "
			}
			fmt.Fprintf(&b, "# %s\n%s%s=\n", uses(v.Uses), off, v.Name)
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func printKubectl(w io.Writer, n *needs.Needs, f *flags) error {
	_, err := io.WriteString(w, deploy.Kubectl(n, f.name, f.namespace))
	return err
}
