package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// tap is tap-postgres.
type tap struct{}

// NULFree implements taps.NULFree: no text type of PostgreSQL takes one.
func (tap) NULFree() {}

// New makes the tap.
func New() taps.Tap { return tap{} }

// Discover lists the relations that the role may read.
func (t tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	o, err := t.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return o.Discover(ctx)
}

// Sync reads the selected streams, each in a snapshot of its own, as many at
// a time as the output takes.
func (t tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	o, err := t.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	return o.Sync(ctx, catalog, bookmarks, out)
}

// Open implements taps.Opener.
func (tap) Open(ctx context.Context, cfg spec.Config) (taps.Opened, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	conn, err := s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return &opened{set: s, first: &worker{dial: s.Dial, conn: conn, pool: row.NewPool(batchBytes + batchBytes/8)}}, nil
}

// opened is the tap and its first connection.
type opened struct {
	set   settings
	first *worker
	idle  bool // the connection has been waiting since Discover
}

func (o *opened) Close() { o.first.close() }

func (o *opened) Discover(ctx context.Context) (*singer.Catalog, error) {
	db, err := discover(ctx, o.first.conn, o.set.schemas(), nil)
	if err != nil {
		return nil, orCancelled(ctx, err)
	}
	for _, name := range o.set.schemas() {
		if !slices.ContainsFunc(db.relations, func(r *relation) bool { return r.schema == name }) {
			zerolog.Ctx(ctx).Warn().Msgf("filter_schemas names %q, in which there is no table or view to read", name)
		}
	}
	if err := warnUnreadable(ctx, o.first.conn, o.set.schemas()); err != nil {
		return nil, orCancelled(ctx, err)
	}
	o.idle = true
	return db.catalog(o.set)
}

// Sync asks for the tables again: they may have changed since Discover.
func (o *opened) Sync(ctx context.Context, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	o.first.out = out
	plans, failed, err := plansFor(ctx, o.first.conn, o.set, catalog, bookmarks)
	if err != nil && o.idle && o.first.conn.IsClosed() && ctx.Err() == nil { // somebody did not let it wait
		o.first.close()
		if o.first.conn, err = o.set.Dial(ctx); err == nil {
			plans, failed, err = plansFor(ctx, o.first.conn, o.set, catalog, bookmarks)
		}
	}
	if err != nil {
		return err
	}
	stop := o.set.OnError == "stop"
	tables, logged := split(plans)
	if len(failed) == 0 || !stop {
		failed = append(failed, run(ctx, o.first, tables, stop)...)
	}
	if len(logged) > 0 && (len(failed) == 0 || !stop) && ctx.Err() == nil {
		failed = append(failed, syncLogged(ctx, o.set, logged, out, o.first.pool)...)
	}
	return errors.Join(failed...)
}

// run shares plans among workers and returns the errors of those that failed.
func run(ctx context.Context, first *worker, plans []*plan, stopAtFirst bool) []error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *plan)
	go func() {
		defer close(todo)
		for _, p := range plans {
			select {
			case todo <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for i := range max(1, min(first.out.Parallel(), len(plans))) {
		w := first
		if i > 0 {
			w = &worker{dial: first.dial, out: first.out, pool: first.pool}
		}
		wg.Go(func() {
			defer w.close()
			for p := range todo {
				err := w.sync(ctx, p)
				if err == nil {
					continue
				}
				mu.Lock()
				failed = append(failed, fmt.Errorf("stream %q: %w", p.id, orCancelled(ctx, err)))
				mu.Unlock()
				if stopAtFirst {
					cancel(errStopped)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && len(failed) == 0 {
		failed = append(failed, err)
	}
	return failed
}

var errStopped = errors.New("stopped because another stream failed")

// orCancelled is err, or why ctx ended: a statement that was cancelled with it
// reports only that.
func orCancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// selection is what the user's catalog says of one stream.
type selection struct {
	id, name       string
	method         string
	keys           []string
	replicationKey string
	columns        []string // nil: all
	known          []string // those that the catalog lists, selected or not
}

// plansFor makes the plans of all streams to be read. A mistake in the user's
// settings is an error; a table that is gone fails its stream only.
func plansFor(ctx context.Context, conn *pgx.Conn, s settings, catalog *singer.Catalog, bookmarks singer.Bookmarks) (plans []*plan, failed []error, err error) {
	schemas, ids := s.schemas(), []string(nil)
	if catalog != nil {
		schemas, ids = nil, []string{}
		for _, cs := range catalog.Selected() {
			schema, table := tableOf(cs)
			ids = append(ids, cs.ID(), schema+"-"+table)
		}
	}
	db, err := discover(ctx, conn, schemas, ids)
	if err != nil {
		return nil, nil, orCancelled(ctx, err)
	}
	add := func(rel *relation, sel selection) error {
		p, err := newPlan(db, rel, sel, s, bookmarks)
		if err != nil {
			return fmt.Errorf("stream %q: %w", sel.id, err)
		}
		p.warnUnmapped(ctx)
		plans = append(plans, p)
		return nil
	}
	if catalog == nil {
		for _, named := range db.streams() {
			if named.rel.partition {
				continue // its parent is read
			}
			if err := add(named.rel, selection{id: named.id, name: named.id, keys: named.rel.keys(s)}); err != nil {
				return nil, nil, err
			}
		}
		return plans, nil, nil
	}
	for _, cs := range catalog.Selected() {
		rel := db.find(cs)
		if rel == nil {
			failed = append(failed, absent(ctx, conn, db, cs))
			continue
		}
		if err := add(rel, selectionOf(cs, rel, s)); err != nil {
			return nil, nil, err
		}
	}
	return plans, failed, nil
}

// absent says why a selected stream was not found.
func absent(ctx context.Context, conn *pgx.Conn, db *database, cs *singer.CatalogStream) error {
	schema, table := tableOf(cs)
	var there bool
	err := conn.QueryRow(ctx, "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2)",
		schema, table).Scan(&there)
	if err != nil {
		return orCancelled(ctx, fmt.Errorf("stream %q: look for its table: %w", cs.ID(), err))
	}
	e := fault.New(fault.Failed, "stream %q: there is no such table or view in database %q", cs.ID(), db.name).WithKind(fault.KindPath)
	if there {
		e = fault.New(fault.Failed, "stream %q: the role %q may not read %s.%s", cs.ID(), conn.Config().User, schema, table).WithKind(fault.KindPermission)
	}
	return e.WithHint("run discovery again, or deselect the stream")
}
