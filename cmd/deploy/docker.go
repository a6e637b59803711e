package deploy

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/deploy"
)

// docker is the flags of `elt deploy docker`.
type docker struct {
	deploy.Docker
	placing
	command string
}

func newCmdDocker(app *cli.App) *cobra.Command {
	o := &docker{}
	cmd := &cobra.Command{
		Use:   "docker",
		Short: "Write a Dockerfile, .dockerignore and compose.yaml",
		Long: `Write what builds the project's image and runs it beside a PostgreSQL: a
Dockerfile on elt's own image, a .dockerignore that keeps secrets and run files
out, and a compose.yaml. The image runs as user 65532 with an init as its first
process. It has a Java runtime where tap-jdbc is in use, and Python with a
virtual environment per plugin where plugins are that are not built in.

elt's own image is what the Dockerfile of elt's repository builds; --base names
it. Where a file was edited by hand, nothing is written unless --force is given.`,
		Example: `  elt deploy docker --base elt:1.4.0
  elt deploy docker --base elt:1.4.0 --output .
  elt deploy docker --command "invoke airflow scheduler"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Daemon = daemon(cmd) && o.command == "" // what else it runs opens no port
			if o.Command = strings.Fields(o.command); o.command == "" {
				o.Command = []string{"--help"}
				if o.Daemon {
					o.Command = []string{"daemon", "--listen", "0.0.0.0:8080"}
				}
			}
			return o.run(cmd.Context(), app)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Base, "base", "", "elt's own `image`, with a tag or digest; without it elt:VERSION of this elt")
	f.StringVar(&o.Name, "name", "", "`name` of the image; without it that of the project's folder")
	f.StringVar(&o.command, "command", "", "what the image runs unless told otherwise, as `WORDS` after elt; without it the daemon, where this elt has one")
	o.register(cmd)
	return cmd
}

func (o *docker) run(ctx context.Context, app *cli.App) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	d := o.Docker
	if d.Needs, err = app.Needs(ctx, false); err != nil {
		return err
	}
	if d.Environment, _ = p.Environment(); d.Name == "" {
		d.Name = deploy.Slug(filepath.Base(p.Root))
	}
	if d.Base == "" {
		d.Base = "elt:" + tag(app.Version)
	}
	files, err := d.Files()
	if err != nil {
		return err
	}
	return o.place(app, files)
}

// tag is a version as the tag of an image; one of no release is "dev", as in
// the repository's Dockerfile.
func tag(version string) string {
	if version == "" || version[0] == '(' {
		return "dev"
	}
	out := []byte(version)
	for i, b := range out {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '-', b == '_':
		default:
			out[i] = '-'
		}
	}
	return string(out)
}
