// Package rest is tap-rest: a stream per entry of a definition, from any HTTP
// API, with logins, paging, windows of time and parents and children described
// as data.
package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/httpapi"
	"elt/taps/shape"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	sources, err := s.sources()
	if err != nil {
		return nil, err
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	catalog := &singer.Catalog{}
	for _, src := range sources {
		stream, err := s.discover(ctx, client, src)
		if err != nil && src.OnError == skipStream && skippable(ctx, err) {
			s.skip(ctx, src, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("stream %q: %w", src.Name, err)
		}
		catalog.Streams = append(catalog.Streams, stream)
	}
	return catalog, nil
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := decode(cfg)
	if err != nil {
		return err
	}
	sources, err := s.sources()
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	selected, failed := s.selected(sources, catalog)
	err = taps.Each(ctx, out.Parallel(), s.OnError == "stop", selected, (*source).name, func(ctx context.Context, src *source) error {
		return s.sync(ctx, client, src, streamOf(catalog, src), bookmarks, out)
	})
	if n := s.skipped.Load(); n > 0 {
		zerolog.Ctx(ctx).Warn().Msgf("%d of %d streams were skipped, as on_error says", n, len(sources))
	}
	return errors.Join(failed, err)
}

// selected are the sources that the catalog selects, all without one; a
// selected stream that no source describes is an error.
func (s *settings) selected(sources []*source, catalog *singer.Catalog) (selected []*source, failed error) {
	if catalog == nil {
		return sources, nil
	}
	for _, cs := range catalog.Selected() {
		if !slices.ContainsFunc(sources, func(src *source) bool { return src.Name == cs.ID() }) {
			failed = errors.Join(failed, fault.New(fault.BadConfig, "stream %q is selected, but no entry of streams describes it", cs.ID()).WithHint("run discovery again, or deselect the stream"))
		}
	}
	for _, src := range sources {
		if cs := catalog.Stream(src.Name); cs != nil && cs.Selected() {
			selected = append(selected, src)
		}
	}
	return selected, failed
}

func streamOf(catalog *singer.Catalog, src *source) *singer.CatalogStream {
	if catalog == nil {
		return nil
	}
	return catalog.Stream(src.Name)
}

func (src *source) name() string { return src.Name }

// skip says that a stream is left out.
func (s *settings) skip(ctx context.Context, src *source, err error) {
	s.skipped.Add(1)
	zerolog.Ctx(ctx).Warn().Msgf("stream %q is skipped, as on_error says: %s", src.Name, s.secrets.Hide(err.Error()))
}

func (s *settings) sync(ctx context.Context, client *httpapi.Client, src *source, cs *singer.CatalogStream, bookmarks singer.Bookmarks, out taps.Output) error {
	if cs == nil {
		var err error
		if cs, err = s.discover(ctx, client, src); err != nil {
			if src.OnError == skipStream && skippable(ctx, err) {
				s.skip(ctx, src, err)
				return nil
			}
			return err
		}
	}
	own := *src
	method, key := cs.Replication()
	if method == singer.FullTable {
		own.ReplicationKey = ""
	} else if key != "" {
		own.ReplicationKey = key
	}
	declared := httpapi.DeclaredBy(cs, src.schema == nil, s.Infer)
	declared.ReplicationKey = own.ReplicationKey
	declared.Added = slices.Collect(maps.Keys(src.fields))
	r := &reader{src: &own, set: s, client: client, empty: newTally(), rows: httpapi.NewRows(out, declared)}
	defer r.rows.Close()
	if own.ReplicationKey != "" {
		var err error
		if r.from, err = httpapi.ReadBookmark(bookmarks.Stream(src.Name), own.ReplicationKey, src.unit()); err != nil {
			return err
		}
	}
	if own.OnError != skipStream {
		// The stream is announced before the first request, and though none comes.
		if err := r.rows.Flush(ctx, src.Path); err != nil {
			return err
		}
		return r.read(ctx)
	}
	err := r.read(ctx)
	switch {
	case err == nil || !skippable(ctx, err):
	case r.rows.Announced():
		err = fmt.Errorf("on_error skip_stream comes too late, some of its rows are on their way: %w", err)
	default: // nobody has heard of the stream, so it is as if it were deselected
		s.skip(ctx, src, err)
		err = nil
	}
	return err
}

// errEnough ends a look at a stream.
var errEnough = errors.New("enough was seen")

// discover is the catalog entry of a stream: by the schema that was given, or
// by its first records.
func (s *settings) discover(ctx context.Context, client *httpapi.Client, src *source) (*singer.CatalogStream, error) {
	schema := src.schema
	if schema == nil {
		sh, err := s.look(ctx, client, src)
		if err != nil {
			return nil, err
		}
		for _, key := range src.keys() {
			if !sh.Has(key) && len(sh.Names()) > 0 {
				e := fault.New(fault.BadConfig, "the key %q is no property of its records", key)
				if near := fault.Nearest(key, sh.Names()); near != "" {
					e = e.WithHint("did you mean %q?", near)
				}
				return nil, e
			}
		}
		if len(sh.Names()) == 0 { // no record yet: its keys are all that is known
			for _, key := range src.keys() {
				if err := sh.Member([]byte(key), []byte("null")); err != nil {
					return nil, err
				}
			}
		}
		if schema, err = sh.Schema(nil); err != nil {
			return nil, err
		}
	}
	stream := &singer.CatalogStream{TapStreamID: src.Name, Stream: src.Name, Schema: schema, KeyProperties: src.PrimaryKeys}
	stream.SetMeta("inclusion", singer.Available)
	stream.SetMeta("selected-by-default", true)
	if windowed, known := s.windows(src); known {
		stream.SetMeta(spec.MetaWindowed, windowed)
	}
	if len(src.PrimaryKeys) > 0 {
		stream.SetMeta("table-key-properties", src.PrimaryKeys)
	}
	for _, name := range stream.Properties() {
		inclusion := singer.Available
		if slices.Contains(src.PrimaryKeys, name) || name == src.ReplicationKey {
			inclusion = singer.Automatic
		}
		stream.SetMeta("inclusion", inclusion, name)
	}
	if src.ReplicationKey != "" {
		stream.ReplicationKey, stream.ReplicationMethod = src.ReplicationKey, singer.Incremental
		stream.SetMeta("valid-replication-keys", []string{src.ReplicationKey})
	}
	return stream, nil
}

// windows says whether start_date and end_date give a window of the stream and
// no more, where its replication key does not tell. A stream with a start_date
// of its own starts there. Children of a parent that is windowed itself would
// miss those of older parents.
func (s *settings) windows(src *source) (windowed, known bool) {
	for up := src.parent; up != nil; up = up.parent {
		if up.ReplicationKey != "" || up.Window.StartParam != "" {
			return false, true
		}
	}
	switch {
	case src.StartDate != s.StartDate:
		return false, true
	case src.ReplicationKey != "":
		return true, src.unit() != "" // a number counts seconds
	}
	return src.Window.StartParam != "" && src.Window.EndParam != "", true
}

// look reads whole pages until it has seen enough records.
func (s *settings) look(ctx context.Context, client *httpapi.Client, src *source) (*shape.Shape, error) {
	sh, seen := shape.New(s.Infer), 0
	r := &reader{src: src, set: s, client: client, empty: newTally()}
	for _, sl := range r.slices() {
		err := r.contexts(ctx, src, func(vars variables, more []byte) error {
			p := &pages{src: src, set: s, client: client, vars: windowed(vars, src, sl)}
			err := p.each(ctx, func(ctx context.Context, pg *page, _ int) (int, error) {
				n := 0
				err := r.records(pg, func(record []byte) error {
					if n++; len(bytes.TrimSpace(record)) == 0 || bytes.TrimSpace(record)[0] != '{' {
						return fault.New(fault.BadInput, "record %d at %s is %s, not an object", n, src.records, httpapi.Kind(bytes.TrimSpace(record))).WithKind(fault.KindShape).WithHint("check records_path")
					}
					if err := singer.Members(record, sh.Member); err != nil {
						return err
					}
					return singer.Members(append(append([]byte{'{'}, more...), '}'), sh.Member)
				})
				if seen += n; err == nil && seen >= src.Sample {
					err = errEnough
				}
				return n, err
			})
			if errors.Is(err, errEnough) {
				return err
			}
			return r.parent(ctx, err)
		})
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return sh, nil
}
