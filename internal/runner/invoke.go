package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/proc"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/plugins"
)

// Streams are the standard streams of a plugin in the foreground.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Invoke runs a plugin, or one of its commands, in the foreground and returns
// its exit code. A tap without arguments gets its catalog, as in a run.
func (r *Runner) Invoke(ctx context.Context, p *project.Plugin, command string, args []string, streams Streams) (int, error) {
	alone, err := r.alone(p.Name)
	if err != nil {
		return 0, err
	}
	defer alone.close()
	stage, cmd, err := r.invocation(ctx, p, command, args, alone.folder)
	if err != nil {
		return 0, err
	}
	if command == "" && len(args) == 0 && p.Kind == project.Extractors {
		extra, err := r.catalogArgs(ctx, stage, alone)
		if err != nil {
			return 0, err
		}
		cmd.Args = append(cmd.Args, extra...)
	}
	return Foreground(ctx, cmd, streams, r.Grace)
}

// Foreground runs a program with the standard streams given and returns its
// exit code. It gets no group of its own: a terminal's Ctrl-C is for it too. It
// does not outlive us (invariant 8).
func Foreground(ctx context.Context, c proc.Command, streams Streams, grace time.Duration) (int, error) {
	child := exec.CommandContext(ctx, c.Path, c.Args...)
	child.Dir, child.Env = c.Dir, c.Env
	child.Stdin, child.Stdout, child.Stderr = streams.In, streams.Out, streams.Err
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = grace
	child.SysProcAttr = proc.Attached()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := child.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, fmt.Errorf("run %s: %w", c.Name, err)
	}
	return 0, nil
}

// catalogArgs finds the catalog of a tap and gives the arguments that name it.
func (r *Runner) catalogArgs(ctx context.Context, stage *Stage, a *alone) ([]string, error) {
	catalog, err := r.catalog(ctx, stage, a)
	if catalog == nil || err != nil {
		return nil, err
	}
	raw, err := catalog.Print()
	if err != nil {
		return nil, err
	}
	path, err := a.folder.write("tap.properties.json", raw)
	return []string{stage.catalogFlag(), path}, err
}

func (r *Runner) catalog(ctx context.Context, stage *Stage, a *alone) (*singer.Catalog, error) {
	return catalogs{root: r.Project.Root, cache: r.cacheFolder(), host: proc.Direct{}, log: a.log, refresh: r.RefreshCatalog}.of(ctx, stage)
}

// Catalog is a tap's catalog with the project's rules applied, as a run would
// use it; nil when the tap takes none.
func (r *Runner) Catalog(ctx context.Context, tap *project.Plugin) (*singer.Catalog, error) {
	alone, err := r.alone(tap.Name)
	if err != nil {
		return nil, err
	}
	defer alone.close()
	stage, _, err := r.invocation(ctx, tap, "", nil, alone.folder)
	if err != nil {
		return nil, err
	}
	return r.catalog(ctx, stage, alone)
}

// Config is the configuration that a plugin would get as its --config file.
func (r *Runner) Config(ctx context.Context, p *project.Plugin) ([]byte, error) {
	settings, err := r.Project.Settings(ctx, p, project.SettingsOptions{Flags: r.Flags[p.Name]})
	if err != nil {
		return nil, err
	}
	return settings.Config()
}

// alone is the folder and the log of something outside of a run.
type alone struct {
	folder  *folder
	release func() error // the folder's lock
	log     zerolog.Logger
}

func (r *Runner) alone(name string) (*alone, error) {
	r.fill()
	a, root := &alone{log: logging.Join(r.Console)}, r.folders("invoke "+name)
	if err := sweep(root, time.Now()); err != nil {
		a.log.Warn().Err(err).Msg("files of a dead run are left behind")
	}
	var err error
	if a.folder, err = newFolder(root, newRunID()); err != nil {
		return nil, err
	}
	if a.release, err = a.folder.held(); err != nil {
		return nil, errors.Join(err, a.folder.remove())
	}
	return a, nil
}

func (a *alone) close() {
	if err := errors.Join(a.folder.remove(), a.release()); err != nil {
		a.log.Warn().Err(err).Msg("files of this run are left behind")
	}
}

// invocation prepares a plugin, or one of its commands, with arguments. A
// command brings its own; else a tap, target or mapper gets --config.
func (r *Runner) invocation(ctx context.Context, p *project.Plugin, command string, args []string, f *folder) (*Stage, proc.Command, error) {
	none := proc.Command{}
	settings, err := r.Project.Settings(ctx, p, project.SettingsOptions{Flags: r.Flags[p.Name]})
	if err != nil {
		return nil, none, err
	}
	r.Redactor.Add(settings.Secrets()...)
	sayUnset(logging.Join(r.Console), settings)
	var first []string
	var executable string
	if command != "" {
		if executable, first, err = settings.Command(command); err != nil {
			return nil, none, err
		}
	}
	stage, err := newStage(r.Plugins, p.Name, settings, plugins.Question{})
	if err != nil && !(executable != "" && fault.CodeOf(err) == fault.PluginMissing) {
		return nil, none, err
	}
	r.Redactor.Add(r.Plugins.Secrets(stage.Choice, p.Kind, stage.Config, stage.dir)...)
	program, err := r.Plugins.Named(stage.Choice, executable)
	if err != nil {
		return nil, none, err
	}
	if command == "" && (p.Kind == project.Extractors || p.Kind == project.Loaders || p.Kind == project.Mappers) {
		if err := stage.writeConfig(f, "plugin.config.json"); err != nil {
			return nil, none, err
		}
		first = []string{"--config", stage.configPath}
	}
	if err := stage.writeLogging(f, "plugin.", r.Console.Level()); err != nil {
		return nil, none, err
	}
	return stage, proc.Command{
		Name: p.Name, Path: program.Path, Dir: stage.dir, Env: stage.environ,
		Args: append(append(append([]string{}, program.Args...), first...), args...),
	}, nil
}
