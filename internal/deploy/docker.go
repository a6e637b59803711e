package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"elt/internal/fault"
	"elt/internal/needs"
)

// Docker is what a project's image is made of.
type Docker struct {
	Name        string // of the image and of the compose project
	Base        string // image that this repository's Dockerfile builds: NAME:TAG
	Environment string
	Daemon      bool     // elt has one that listens: compose opens its port
	Command     []string // what the image runs unless it is told otherwise
	Needs       *needs.Needs
}

// The base images of the variants that need more than a static binary.
const (
	pythonImage = "python:3.12-slim-bookworm"
	debianImage = "debian:bookworm-slim"
)

// Files are Dockerfile, .dockerignore and compose.yaml.
func (d Docker) Files() ([]File, error) {
	if !label().MatchString(d.Name) {
		return nil, fault.New(fault.Usage, "--name %q is no name of an image", d.Name).WithHint("lower case, digits and dashes")
	}
	if err := pinned("--base", d.Base); err != nil {
		return nil, err
	}
	var out []File
	for _, name := range []string{"Dockerfile", "dot.dockerignore", "compose.yaml"} {
		f, err := render(name, "elt deploy docker", d)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// Java says that a connector in use starts a Java process.
func (d Docker) Java() bool { return d.Needs.Uses("tap-jdbc") }

// Plugins are the foreign plugins that are installed from packages.
func (d Docker) Plugins() []needs.Plugin { return d.Needs.Packages() }

// Static says that elt alone is enough.
func (d Docker) Static() bool { return !d.Java() && len(d.Plugins()) == 0 }

// Image is what the variant builds on.
func (d Docker) Image() string {
	if len(d.Plugins()) > 0 {
		return pythonImage
	}
	return debianImage
}

// Words are the arguments of a pip_url.
func (d Docker) Words(p needs.Plugin) []string { return strings.Fields(p.PipURL) }

var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`) })

// BuildSecrets are the variables that pip_urls name: tokens of private
// repositories, which no layer of the image may hold.
func (d Docker) BuildSecrets(p needs.Plugin) []string {
	var out []string
	for _, m := range variable().FindAllStringSubmatch(p.PipURL, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// Git says that a package comes from a repository.
func (d Docker) Git() bool {
	return slices.ContainsFunc(d.Plugins(), func(p needs.Plugin) bool { return strings.Contains(p.PipURL, "git+") })
}

// Venv is where elt and Meltano look for a plugin's virtual environment.
func (d Docker) Venv(p needs.Plugin) string {
	return fmt.Sprintf("/project/.meltano/%s/%s/venv", p.Kind, p.Venv)
}

// Idle says that the image on its own only helps.
func (d Docker) Idle() bool { return len(d.Command) == 1 && d.Command[0] == "--help" }

// StoreVariable is the variable that tells the store's address.
func (d Docker) StoreVariable() string {
	if d.Needs.Store.Variable != "" {
		return d.Needs.Store.Variable
	}
	return "ELT_DATABASE_URI"
}

// Variables are those that the plugins need, without the store's address.
func (d Docker) Variables() []needs.Variable {
	return slices.DeleteFunc(slices.Clone(d.Needs.Variables), func(v needs.Variable) bool {
		return v.Group == needs.Database || !v.Required && !v.Set
	})
}
