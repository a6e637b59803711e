package plugins

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/spec"
	"elt/taps"
	"elt/targets"
)

// The values of `native`.
const (
	Auto   = "auto"
	Never  = "never"
	Always = "always"
)

// Resolver finds commands for the plugins of one project.
type Resolver struct {
	Project *project.Project
	Taps    *taps.Registry
	Targets *targets.Registry
	Self    string   // this binary
	Environ []string // where PATH is looked up
	// Native is elt's own setting (ELT_NATIVE), "" when not set: it stands
	// above the project's and the plugin's.
	Native string
}

// Question is what a choice depends on beside the plugin itself.
type Question struct {
	// Settings in use; nil when they are not known (listing).
	Settings *project.Settings
	// Pin is what the state id's first run decided, nil for none.
	Pin *Pin
	// Bookmarked: the state id has a bookmark, and no pin says whose it is.
	Bookmarked bool
}

// Choose decides and finds the command. A command that is missing is an error
// together with the choice.
func (r *Resolver) Choose(p *project.Plugin, q Question) (Choice, error) {
	c, err := r.decide(p, q)
	if err != nil {
		return c, err
	}
	if c.Native {
		c.Command = r.builtin(p.Kind, c.Connector)
		return c, nil
	}
	c.Command, err = r.find(p, p.Executable)
	if err != nil && c.Connector != "" {
		if e, ok := err.(*fault.Error); ok {
			e.Hint += "; or set `native: always` to use the built-in " + c.Connector + " although " + c.Reason
		}
	}
	return c, err
}

func (r *Resolver) decide(p *project.Plugin, q Question) (Choice, error) {
	c := Choice{Plugin: p}
	match, found, why := r.match(p)
	if found {
		c.Connector, c.Dialect = match.spec.Name, match.dialect
	}
	switch mode := r.mode(p); mode {
	case Never:
		c.Reason = "native is never"
		return c, nil
	case Always:
		if !found {
			match, found = r.byName(p)
		}
		if !found {
			return c, fault.New(fault.PluginMissing, "plugin %s is to run natively, but there is no built-in connector for it", p.Name).
				WithHint("%s; built in are %s", why, strings.Join(r.names(p.Kind), ", "))
		}
		c.Native, c.Connector, c.Dialect, c.Reason = true, match.spec.Name, match.dialect, "native is always"
		return c, nil
	case Auto, "":
	default:
		return c, fault.New(fault.BadConfig, "native is %q for plugin %s", mode, p.Name).WithHint("one of auto, never, always")
	}
	if q.Pin != nil {
		return r.pinned(c, *q.Pin)
	}
	if !found {
		c.Reason = why
		return c, nil
	}
	if reason := unfit(match.spec, q.Settings); reason != "" {
		c.Reason = reason
		return c, nil
	}
	if q.Bookmarked && p.PipURL != "" {
		c.Reason = "the state id has a bookmark of its own already (elt adopt " + p.Name + " compares and takes over)"
		return c, nil
	}
	c.Native, c.Reason = true, match.reason
	return c, nil
}

func (r *Resolver) mode(p *project.Plugin) string {
	for _, m := range []string{r.Native, p.Native, r.Project.Setting("native")} {
		if m != "" {
			return m
		}
	}
	return Auto
}

func (r *Resolver) pinned(c Choice, pin Pin) (Choice, error) {
	c.Pinned, c.Native, c.Reason = true, pin.Native, pin.Reason+" (so decided by the state id's first run)"
	if !pin.Native {
		return c, nil
	}
	c.Connector, c.Dialect = pin.Connector, pin.Dialect
	if _, ok := r.spec(c.Plugin.Kind, pin.Connector); !ok {
		return c, fault.New(fault.PluginMissing, "plugin %s ran as the built-in %s so far, which this elt does not have", c.Plugin.Name, pin.Connector).
			WithHint("use the elt that ran it (%s), or set `native: never` after comparing tables", pin.Version)
	}
	return c, nil
}

// match is a connector that can take a plugin's place.
type match struct {
	spec    spec.Spec
	dialect string
	reason  string
}

func (r *Resolver) match(p *project.Plugin) (m match, found bool, why string) {
	if p.Kind != project.Extractors && p.Kind != project.Loaders {
		return m, false, "built-in connectors are taps and targets"
	}
	if strings.ContainsAny(p.Executable, `/\ `) {
		return m, false, "its executable is a command of its own"
	}
	for _, name := range r.names(p.Kind) {
		s, _ := r.spec(p.Kind, name)
		for _, rep := range s.Replaces {
			if rep.Package != "" && slices.Contains(packages(p.PipURL), rep.Package) {
				return match{s, rep.Dialect, "the built-in " + s.Name + " stands in for " + rep.Package}, true, ""
			}
			// A pip_url that names another package is a fork: its variant says nothing.
			if rep.Variant != "" && rep.Variant == p.Variant && p.Executable == s.Name && len(packages(p.PipURL)) == 0 {
				return match{s, rep.Dialect, "the built-in " + s.Name + " stands in for the variant " + rep.Variant}, true, ""
			}
		}
	}
	if p.PipURL != "" {
		return m, false, "no built-in connector stands in for " + p.PipURL
	}
	if s, ok := r.spec(p.Kind, p.Executable); ok {
		return match{spec: s, reason: p.Executable + " is built in"}, true, ""
	}
	return m, false, "there is no built-in " + p.Executable
}

// byName is for `native: always`: the executable's or the plugin's name will do.
func (r *Resolver) byName(p *project.Plugin) (match, bool) {
	names := []string{path.Base(p.Executable), p.Name}
	for parent := p.Parent; parent != nil; parent = parent.Parent {
		names = append(names, parent.Name)
	}
	for _, name := range names {
		if s, ok := r.spec(p.Kind, name); ok {
			return match{spec: s}, true
		}
	}
	return match{}, false
}

// Secrets are the texts that a native choice's connector knows no log may show
// beside the settings that are secret by themselves (invariant 10). config is
// its configuration, dir where it runs.
func (r *Resolver) Secrets(c Choice, kind project.Kind, config json.RawMessage, dir string) []string {
	s, ok := r.spec(kind, c.Connector)
	if !ok || !c.Native {
		return nil
	}
	cfg, _, err := s.Resolve(config)
	if err != nil {
		return nil // the connector will say so
	}
	return s.Secrets(cfg, dir)
}

func (r *Resolver) spec(kind project.Kind, name string) (spec.Spec, bool) {
	if kind == project.Loaders {
		if t := r.Targets.Lookup(name); t != nil {
			return t.Spec(), true
		}
	} else if t := r.Taps.Lookup(name); t != nil && kind == project.Extractors {
		return t.Spec(), true
	}
	return spec.Spec{}, false
}

func (r *Resolver) names(kind project.Kind) []string {
	if kind == project.Loaders {
		return r.Targets.Names()
	}
	return r.Taps.Names()
}

func (r *Resolver) builtin(kind project.Kind, connector string) Command {
	word := "tap"
	if kind == project.Loaders {
		word = "target"
	}
	return Command{Path: r.Self, Args: []string{word, connector}}
}

var (
	requirement = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*`) })
	separators  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[-_.]+`) })
)

// packages are the distributions that a pip_url names, normalised: of
// "pipelinewise-tap-postgres==2.1 ; extra" the name, of a git address the
// owner and repository ("meltanolabs-tap-postgres" for
// git+https://github.com/MeltanoLabs/tap-postgres.git), and the folder where
// the repository holds several (…#subdirectory=tap-x).
func packages(pipURL string) []string {
	var out []string
	for _, word := range strings.Fields(pipURL) {
		if strings.HasPrefix(word, "-") {
			continue
		}
		if _, address, isURL := strings.Cut(word, "://"); isURL {
			_, repository, _ := strings.Cut(address, "/") // without host and credentials
			repository, fragment, _ := strings.Cut(repository, "#")
			repository, _, _ = strings.Cut(repository, "@")
			if parts := strings.Split(strings.TrimSuffix(repository, ".git"), "/"); len(parts) >= 2 {
				parts = parts[len(parts)-2:]
				for part := range strings.SplitSeq(fragment, "&") {
					if folder, ok := strings.CutPrefix(part, "subdirectory="); ok {
						parts = append(parts, strings.Split(strings.Trim(folder, "/"), "/")...)
					}
				}
				out = append(out, normal(strings.Join(parts, "-")))
			}
			continue
		}
		if name := requirement().FindString(word); name != "" {
			out = append(out, normal(name))
		}
	}
	return out
}

func normal(name string) string { return separators().ReplaceAllString(strings.ToLower(name), "-") }
