// Package deploy is `elt deploy`: what runs the project elsewhere, written
// from the project.
package deploy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/deploy"
	"elt/internal/fault"
	"elt/internal/needs"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "deploy",
		Short:   "Write what runs the project elsewhere: Kubernetes manifests, a Dockerfile",
		Example: "  elt deploy docker --output .\n  elt deploy kubernetes --image registry.example.com/data:2025-01-31 --output kubernetes",
	}
	cmd.AddCommand(newCmdKubernetes(app), newCmdDocker(app))
	return cmd
}

// placing says where files go.
type placing struct {
	output string
	force  bool
}

func (o *placing) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write files into this `folder`; without it they are printed")
	cmd.Flags().BoolVar(&o.force, "force", false, "overwrite files that were edited by hand")
	_ = cmd.MarkFlagDirname("output")
}

// place writes the files, or prints them one after the other.
func (o *placing) place(app *cli.App, files []deploy.File) error {
	if o.output != "" {
		changed, err := deploy.Write(o.output, files, o.force)
		if err != nil {
			return err
		}
		for _, f := range files {
			word := "unchanged"
			for _, name := range changed {
				if name == f.Name {
					word = "written"
				}
			}
			fmt.Fprintf(app.IO.Err, "%s %s\n", word, f.Name)
		}
		return nil
	}
	var b bytes.Buffer
	for i, f := range files {
		if i > 0 && strings.HasSuffix(f.Name, ".yaml") && strings.HasSuffix(files[i-1].Name, ".yaml") {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "# %s\n", f.Name)
		b.Write(f.Text)
	}
	_, err := app.IO.Out.Write(b.Bytes())
	return err
}

// daemon says that this elt has one that can be asked how it is.
func daemon(cmd *cobra.Command) bool {
	found, _, err := cmd.Root().Find([]string{"daemon"})
	return err == nil && found.Flags().Lookup("listen") != nil
}

// stored makes the store what --store says.
func stored(n *needs.Needs, store string) error {
	switch store {
	case "":
		return nil
	case "sqlite":
		n.Store = needs.Store{}
		n.Variables = slices.DeleteFunc(n.Variables, func(v needs.Variable) bool { return v.Group == needs.Database })
		return nil
	case "postgres":
		n.Store.Postgres = true
		for i, v := range n.Variables {
			if v.Name == n.Store.Variable {
				n.Variables[i].Required = true
			}
		}
		return nil
	}
	return fault.New(fault.Usage, "--store %s is unknown", store).WithHint("postgres or sqlite")
}
