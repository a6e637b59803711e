// Package compile is `elt compile`: the project as one JSON file per
// environment.
package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// Options are the options of `compile`.
type Options struct {
	Directory    string
	Indent       int
	Unsafe       bool
	Safe         bool
	Lint, NoLint bool
}

// NewCmd is the command.
func NewCmd(app *cli.App, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "compile",
		Short: "Write the project as one JSON file per environment",
		Long: `Write manifests: the project file with everything it includes, each plugin's
definition, and the variables that plugins receive, for no environment and for
each one, or only for the one that --environment names.`,
		Example: "  elt compile\n  elt --environment=prod compile --directory out --indent 2",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Unsafe = o.Unsafe || !o.Safe
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), app, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Directory, "directory", "", "where to write (default SYSDIR/manifests)")
	f.IntVar(&o.Indent, "indent", 4, "blanks per level, 0 for one line")
	f.BoolVar(&o.Safe, "safe", true, "mask sensitive settings in variables")
	f.BoolVar(&o.Unsafe, "unsafe", false, "do not mask them")
	f.BoolVar(&o.Lint, "lint", true, "accepted; the project is always checked")
	f.BoolVar(&o.NoLint, "no-lint", false, "accepted; the project is always checked")
	return cmd
}

func run(ctx context.Context, app *cli.App, o *Options) error {
	p, err := app.ProjectExplicit(ctx)
	if err != nil {
		return err
	}
	environments := append([]string{""}, p.Environments()...)
	if name, named := p.Environment(); named {
		environments = []string{name}
	} else if app.Global.NoEnvironment {
		environments = []string{""}
	}
	dir := o.Directory
	if dir == "" {
		dir = filepath.Join(p.SysDir(), "manifests")
	} else if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Root, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot make the directory for manifests")
	}
	written := []manifest{}
	for _, name := range environments {
		path, err := write(ctx, p, name, dir, o)
		if err != nil {
			return err
		}
		written = append(written, manifest{name, path})
		if app.Global.JSON {
			continue
		}
		if _, err := fmt.Fprintln(app.IO.Out, "Compiled "+path); err != nil {
			return err
		}
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(written)
	}
	return nil
}

// manifest is a file written, in JSON.
type manifest struct {
	Environment string `json:"environment"`
	Path        string `json:"path"`
}

func write(ctx context.Context, p *project.Project, environment, dir string, o *Options) (string, error) {
	in, err := p.In(environment)
	if err != nil {
		return "", err
	}
	content, err := in.Manifest(ctx, o.Unsafe)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", strings.Repeat(" ", max(0, o.Indent)))
	if err := e.Encode(content); err != nil {
		return "", err
	}
	name := "meltano-manifest.json"
	if environment != "" {
		name = "meltano-manifest." + environment + ".json"
	}
	path := filepath.Join(dir, name)
	if err := renameio.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot write the manifest")
	}
	return path, nil
}
