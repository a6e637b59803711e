package config

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// store is a place that settings are written to.
type store string

const (
	dotenv      store = "dotenv"
	file        store = "meltano_yml"
	environment store = "meltano_environment"
	database    store = "db"
)

func (s store) label(t target) string {
	name := "`" + filepath.Base(t.project.File) + "`"
	switch s {
	case dotenv:
		return "`.env`"
	case environment:
		return "the active environment in " + name
	case database:
		return "the system database"
	}
	return name
}

// writer writes one setting of a target.
type writer struct {
	app *cli.App
	target
	def  *project.Definition // nil when the setting is unknown
	path []string
}

// environment is the one to write to, "" for the plugin's own entry.
func (w writer) environment() string {
	if name, named := w.project.Environment(); named && w.plugin != nil {
		return name
	}
	return ""
}

// choose is the store that a name stands for; auto depends on the setting.
func (w writer) choose(name string) (store, error) {
	switch s := store(name); s {
	case dotenv, database:
		return s, nil
	case file, "elt_yml", "yml":
		if w.environment() != "" {
			return environment, nil
		}
		return file, nil
	case environment:
		if w.environment() == "" {
			return "", fault.New(fault.Failed, "no environment is named to write to").WithHint("pass --environment NAME")
		}
		return s, nil
	case "auto":
	default:
		return "", fault.New(fault.Usage, "--store %s: it is auto, dotenv, meltano_yml, meltano_environment or db", name)
	}
	switch {
	case w.project.ReadOnly():
		return database, nil
	case w.def != nil && (w.def.Sensitive || w.def.EnvSpecific):
		return dotenv, nil
	case w.environment() != "":
		return environment, nil
	}
	return file, nil
}

// all are the stores in which the setting may stand.
func (w writer) all() []store {
	out := []store{dotenv, file}
	if w.environment() != "" {
		out = append(out, environment)
	}
	if w.plugin != nil {
		out = append(out, database)
	}
	return out
}

func (w writer) set(ctx context.Context, s store, value any) error {
	switch s {
	case dotenv:
		if w.def == nil {
			return fault.New(fault.Failed, "setting %q is not known, so .env cannot hold it", strings.Join(w.path, ".")).
				WithHint("define it under settings, or use another --store")
		}
		names := w.variables(w.def)
		return w.project.SetDotenv(names[0], w.def.EnvironText(value), names[1:])
	case database:
		if w.plugin == nil {
			return fault.New(fault.Failed, "the project's own settings cannot be kept in the database")
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		st, err := w.app.Store(ctx)
		if err != nil {
			return err
		}
		return st.PutSetting(ctx, w.plugin.Scope(), strings.Join(w.path, "."), string(text))
	}
	return w.project.Change(func(e *project.Editor) error {
		if w.plugin == nil {
			return e.SetProject(w.path, value)
		}
		return e.SetConfig(w.plugin, w.block(s), w.path, value)
	})
}

// block is the environment whose block a store stands for.
func (w writer) block(s store) string {
	if s == environment {
		return w.environment()
	}
	return ""
}

// unset removes the setting from stores; files are changed all at once.
func (w writer) unset(ctx context.Context, from []store) error {
	return w.clear(ctx, from, func(e *project.Editor, s store) error {
		if w.plugin == nil {
			return e.UnsetProject(w.path)
		}
		return e.UnsetConfig(w.plugin, w.block(s), w.path)
	}, w.def, func(name string) bool { return name == strings.Join(w.path, ".") })
}

// reset removes all settings of the plugin from stores.
func (w writer) reset(ctx context.Context, from []store) error {
	edit := func(e *project.Editor, s store) error { return e.ResetConfig(w.plugin, w.block(s)) }
	return w.clear(ctx, from, edit, nil, func(string) bool { return true })
}

// clear removes what edit takes out of files, the variables of one definition
// (nil: of all) from .env, and what matches from the database.
func (w writer) clear(ctx context.Context, from []store, edit func(*project.Editor, store) error, d *project.Definition, which func(string) bool) error {
	if slices.Contains(from, dotenv) {
		var names []string
		if d != nil {
			names = w.variables(d)
		} else if w.plugin != nil && len(w.path) == 0 {
			for _, d := range w.plugin.Definitions() {
				names = append(names, w.variables(d)...)
			}
		}
		if err := w.project.UnsetDotenv(names); err != nil {
			return err
		}
	}
	if slices.Contains(from, file) || slices.Contains(from, environment) {
		err := w.project.Change(func(e *project.Editor) error {
			for _, s := range from {
				if s != file && s != environment {
					continue
				}
				if err := edit(e, s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if slices.Contains(from, database) {
		return w.forget(ctx, which)
	}
	return nil
}

// from are the stores that --store names, all for auto.
func (w writer) from(name string) ([]store, error) {
	if name == "auto" {
		return w.all(), nil
	}
	s, err := w.choose(name)
	return []store{s}, err
}

// forget deletes settings from the database.
func (w writer) forget(ctx context.Context, which func(name string) bool) error {
	if w.plugin == nil {
		return nil
	}
	st, err := w.app.Store(ctx)
	if err != nil {
		return err
	}
	have, err := st.SettingsIn(ctx, w.plugin.Scope())
	if err != nil {
		return err
	}
	for name := range have {
		if which(name) {
			if err := st.DeleteSetting(ctx, w.plugin.Scope(), name); err != nil {
				return err
			}
		}
	}
	return nil
}
