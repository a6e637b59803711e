// Package version is `elt version`.
package version

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"elt/internal/cli"
)

type info struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of elt",
		Example: "  elt version\n  elt version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if app.Global.JSON {
				return app.IO.PrintJSON(info{app.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintln(app.IO.Out, "elt, version "+app.Version)
			return err
		},
	}
}
