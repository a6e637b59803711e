package cli

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"elt/internal/proc"
	"elt/internal/program"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/plugins"
)

// Resolver finds out what runs in a plugin's place.
func (a *App) Resolver(p *project.Project) (*plugins.Resolver, error) {
	settings, err := a.Settings()
	if err != nil {
		return nil, err
	}
	self, err := a.Self()
	if err != nil {
		return nil, err
	}
	return &plugins.Resolver{
		Project: p, Taps: a.Taps, Targets: a.Targets, Self: self, Environ: a.Environ,
		Native: settings.String("native"),
	}, nil
}

// Spec describes a built-in connector; the zero value when there is none.
func (a *App) Spec(kind project.Kind, name string) spec.Spec {
	if t := a.Taps.Lookup(name); t != nil && kind == project.Extractors {
		return t.Spec()
	}
	if t := a.Targets.Lookup(name); t != nil && kind == project.Loaders {
		return t.Spec()
	}
	return spec.Spec{}
}

// Runner makes a runner for the project p. Only a Run needs the store.
func (a *App) Runner(ctx context.Context, p *project.Project, o runner.Options) (*runner.Runner, error) {
	resolver, err := a.Resolver(p)
	if err != nil {
		return nil, err
	}
	settings, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if o.LeaseTTL, err = settings.Duration("lease_ttl"); err != nil {
		return nil, err
	}
	if o.Grace, err = settings.Duration("stop_grace"); err != nil {
		return nil, err
	}
	o.KeepRuns, o.KeepAge = settings.Int("keep_runs"), time.Duration(settings.Int("keep_days"))*24*time.Hour
	return &runner.Runner{
		Project: p, Plugins: resolver, Redactor: a.Redactor, Console: a.Console(a.IO.Err),
		Machine: runner.Machine(p.Root), Version: a.Version, Options: o,
		Launched: sync.OnceFunc(func() { program.SaveMemory(a.Environ) }),
	}, nil
}

// Probe tries a plugin with its settings (`elt config test`).
func (a *App) Probe(ctx context.Context, p *project.Project, plugin *project.Plugin) error {
	r, err := a.Runner(ctx, p, runner.Options{})
	if err != nil {
		return err
	}
	return r.Probe(ctx, plugin)
}

// Catalog is a tap's catalog with its rules applied, as a run would use it.
func (a *App) Catalog(ctx context.Context, p *project.Project, tap *project.Plugin, refresh bool) (*singer.Catalog, error) {
	r, err := a.Runner(ctx, p, runner.Options{RefreshCatalog: refresh})
	if err != nil {
		return nil, err
	}
	return r.Catalog(ctx, tap)
}

// RunSelf runs elt itself in the foreground, with variables added, and
// returns its exit code.
func (a *App) RunSelf(ctx context.Context, args []string, variables map[string]string) (int, error) {
	self, err := a.Self()
	if err != nil {
		return 0, err
	}
	environ := slices.Clone(a.Environ)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		environ = append(environ, name+"="+variables[name])
	}
	return runner.Foreground(ctx, proc.Command{Name: "elt", Path: self, Args: args, Env: environ},
		runner.Streams{In: a.IO.In, Out: a.IO.Out, Err: a.IO.Err}, 30*time.Second)
}
