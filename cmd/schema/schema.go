// Package schema is `elt schema`: the JSON Schema of the project file.
package schema

import (
	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/project"
)

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the project file",
		Long: `Print the JSON Schema of elt.yml and meltano.yml. Editors with a YAML language
server complete and check the file with it.`,
		Example: "  elt schema > .vscode/elt.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := project.JSONSchema()
			if err != nil {
				return err
			}
			_, err = app.IO.Out.Write(text)
			return err
		},
	}
}
