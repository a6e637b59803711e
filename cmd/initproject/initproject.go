// Package initproject is `elt init`: a new project.
package initproject

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
)

//go:embed elt.yml
var projectFile string

const gitignore = `# settings and secrets of this machine
.env
# bookmarks, logs and run files
.elt/
.meltano/
# what the example writes
output/
`

const example = `id,name,born
1,Ada,1815-12-10
2,Grace,1906-12-09
3,Margaret,1936-08-17
`

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "init [DIRECTORY]",
		Short:   "Make a new project with an example that runs",
		Example: "  elt init my-project\n  cd my-project && elt run tap-csv target-jsonl",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if app.Global.Cwd != "" {
				dir = app.Global.Cwd
			}
			if len(args) == 1 {
				dir = filepath.Join(dir, args[0])
			}
			return initialise(app, dir, force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "write also into a folder that has a project")
	cmd.Flags().Bool("no-usage-stats", false, "accepted for Meltano's sake: elt sends none")
	cmd.Flags().MarkHidden("no-usage-stats")
	return cmd
}

func initialise(app *cli.App, dir string, force bool) error {
	for _, name := range []string{"elt.yml", "meltano.yml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil && !force {
			return fault.New(fault.Failed, "%s has a project already: %s", dir, name).WithHint("--force writes all the same, and leaves files that are there")
		}
	}
	files := []struct{ name, text string }{
		{"elt.yml", projectFile}, {".gitignore", gitignore}, {"data/people.csv", example}, {".env", "# NAME=value\n"},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the project: %w", err)
		}
		if err := create(path, f.text); err != nil {
			return fmt.Errorf("make the project: %w", err)
		}
	}
	_, err := fmt.Fprintf(app.IO.Out, "Project made in %s. Try:\n\n  cd %s\n  elt run tap-csv target-jsonl\n", dir, dir)
	return err
}

// create writes a file that is not there yet.
func create(path, text string) error {
	mode := fs.FileMode(0o644)
	if filepath.Base(path) == ".env" {
		mode = 0o600
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
