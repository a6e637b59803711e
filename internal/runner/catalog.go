package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/proc"
	"elt/internal/singer"
)

// catalogs finds the catalog of a tap: a file of the user's, a cached one, or
// what the tap discovers; and applies the project's rules to it.
type catalogs struct {
	root    string // of the project
	cache   string // folder for cached catalogs, one folder per tap
	host    proc.Host
	log     zerolog.Logger
	refresh bool // do not use the cache
	// ask, where it is set, is a tap that runs already.
	ask func(ctx context.Context, tap *Stage) ([]byte, error)
}

// of is the tap's catalog with all rules applied; nil when the tap takes none.
func (c catalogs) of(ctx context.Context, tap *Stage) (*singer.Catalog, error) {
	if !tap.takesCatalog() {
		return nil, nil
	}
	rules := singer.Rules{SelectFilter: texts(tap.Settings.Extra("select_filter"))}
	catalog, err := c.custom(tap)
	if catalog == nil && err == nil {
		if catalog, err = c.found(ctx, tap); catalog == nil || err != nil {
			return nil, err
		}
		if rules.Select = texts(tap.Settings.Extra("select")); rules.Select == nil {
			rules.Select = []string{}
		}
		if rules.Metadata, err = extraJSON(tap, "metadata"); err != nil {
			return nil, err
		}
		if rules.Schema, err = extraJSON(tap, "schema"); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	unmatched, err := singer.ApplyRules(catalog, rules)
	if err != nil {
		return nil, fmt.Errorf("apply the rules of %s to its catalog: %w", tap.Plugin.Name, err)
	}
	for _, u := range unmatched {
		c.log.Warn().Str("plugin", tap.Plugin.Name).Msg(u.String())
	}
	return catalog, nil
}

// customCatalog is the file that the extra `catalog` names, "" for none.
func customCatalog(tap *Stage) string {
	path, _ := tap.Settings.Extra("catalog").(string)
	return path
}

// custom reads the file that the extra `catalog` names; nil when there is none.
func (c catalogs) custom(tap *Stage) (*singer.Catalog, error) {
	path := customCatalog(tap)
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.root, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the catalog of %s", tap.Plugin.Name).
			WithHint("the extra `catalog` names a file, from the project's root")
	}
	catalog, err := singer.ParseCatalog(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "the catalog %s of %s", path, tap.Plugin.Name)
	}
	return catalog, nil
}

// found is the cached catalog, or what the tap discovers now; nil when it
// cannot discover. Only a plugin that is installed as a package is cached: it
// does not change without its version, as a program of the user's does.
func (c catalogs) found(ctx context.Context, tap *Stage) (*singer.Catalog, error) {
	if !tap.Choice.Native && !tap.Plugin.Can("discover") {
		return nil, nil
	}
	key, err := cacheKey(tap)
	if err != nil {
		return nil, err
	}
	pip := tap.Plugin.PipURL
	cached := !tap.Choice.Native && pip != "" && !strings.Contains(pip, "-e ") && tap.Settings.Extra("use_cached_catalog") != false
	dir := filepath.Join(c.cache, pathName(tap.Plugin.Name))
	file, keyFile := filepath.Join(dir, "tap.properties.json"), filepath.Join(dir, "tap.properties.cache_key")
	if cached && !c.refresh {
		if have, err := os.ReadFile(keyFile); err == nil && string(have) == key {
			if raw, err := os.ReadFile(file); err == nil {
				if catalog, err := singer.ParseCatalog(raw); err == nil {
					return catalog, nil
				}
			}
		}
	}
	raw, err := c.discover(ctx, tap)
	if err != nil {
		return nil, err
	}
	catalog, err := singer.ParseCatalog(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "%s --discover did not print a catalog", tap.Plugin.Name)
	}
	if cached {
		c.keep(dir, file, raw, keyFile, key)
	}
	return catalog, nil
}

// keep caches a discovered catalog; that it cannot is no reason to fail.
func (c catalogs) keep(dir, file string, raw []byte, keyFile, key string) {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		if err = renameio.WriteFile(file, raw, 0o600); err == nil {
			err = renameio.WriteFile(keyFile, []byte(key), 0o600)
		}
	}
	if err != nil {
		c.log.Warn().Err(err).Msg("the catalog cannot be cached")
	}
}

func (c catalogs) discover(ctx context.Context, tap *Stage) ([]byte, error) {
	if c.ask != nil {
		return c.ask(ctx, tap)
	}
	cmd := tap.command("--discover")
	cmd.NoStdin = true
	cmd.Stderr = speaker(c.log.With().Str("plugin", tap.Plugin.Name).Logger())
	p, err := c.host.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("discover the streams of %s: %w", tap.Plugin.Name, err)
	}
	defer p.Close()
	defer context.AfterFunc(ctx, p.Kill)()
	raw, err := io.ReadAll(p.Stdout)
	status := p.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil && !status.OK() {
		if said := ownWords(tap.Plugin.Name, status, p.Tail()); said != nil && tap.Choice.Native {
			return nil, said
		}
		err = fault.New(fault.Failed, "%s --discover failed: %s", tap.Plugin.Name, status).WithHint("%s", lastWords(p.Tail()))
	}
	return raw, err
}

func cacheKey(tap *Stage) (string, error) {
	h := sha256.New()
	h.Write(tap.Config)
	for _, name := range []string{"schema", "metadata"} {
		raw, err := extraJSON(tap, name)
		if err != nil {
			return "", err
		}
		h.Write([]byte{0})
		h.Write(raw)
	}
	io.WriteString(h, "\x00"+tap.Choice.Command.Path)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// extraJSON is an extra as JSON, nil when it is not set.
func extraJSON(s *Stage, name string) (json.RawMessage, error) {
	v := s.Settings.Extra(name)
	if v == nil {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil || bytes.Equal(raw, []byte("{}")) {
		return nil, err
	}
	return raw, nil
}

// texts is a list of strings out of a setting's value.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

// lastWords is the end of what a plugin said, for a hint.
func lastWords(lines []string) string {
	if len(lines) == 0 {
		return "it said nothing on standard error"
	}
	return "its last words: " + strings.Join(lines[max(0, len(lines)-5):], "\n      ")
}
