// Package store is `elt store`: the database that keeps bookmarks and runs.
package store

import (
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
)

// NewCmd is the command with its subcommand.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store",
		Short:   "Look after the database that keeps bookmarks and runs",
		Example: "  elt store migrate",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "migrate",
		Short: "Bring the state store to the schema of this release",
		Long: `Bring the state store to the schema of this release. A SQLite store is migrated
whenever it is opened, after a backup; a PostgreSQL store that is in use only by
this command, since other machines may still run the release before, which
works on both schemas.`,
		Example: "  elt store migrate\n  ELT_DATABASE_URI=postgresql://elt@db/elt elt store migrate --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			uri, from, to, err := app.MigrateStore(cmd.Context())
			if err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(struct {
					Store string `json:"store"`
					From  int64  `json:"from"`
					To    int64  `json:"to"`
				}{uri, from, to})
			}
			if from == to {
				_, err = fmt.Fprintf(app.IO.Out, "%s has schema %d already\n", uri, to)
			} else {
				_, err = fmt.Fprintf(app.IO.Out, "%s is migrated from schema %d to %d\n", uri, from, to)
			}
			return err
		},
	})
	return cmd
}
