package snowflake

import (
	"context"
	"fmt"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// loader gathers one stream's rows in files. Its table is made or changed
// when they are loaded; until then it only looks at what is there.
type loader struct {
	lane   *lane
	sink   *sink
	schema *row.Schema
	final  sqltarget.Table // where the stream's rows are to be read (names only)
	at     *table          // where they go: the final table or the hidden one; nil: not made yet
	grants []string

	wants   wants
	part    *part   // the open one
	parts   []*part // all of this transaction, the open one last
	blank   bool    // rows without a version came
	version int64   // to be activated with the next commit, 0: none
	ended   bool
	swept   bool // hidden tables of dead runs are gone
}

// part is rows of one layout.
type part struct {
	*encoder
	stream string
	writer *writer // nil: none is open
	buffer []byte  // without a writer: a few rows that may do without a file
	binary bool
	files  []string // on the stage, or on their way
	count  int64
}

func (l *lane) Stream(ctx context.Context, schema *row.Schema) (targets.Loader, error) {
	ld := &loader{lane: l, sink: l.sink}
	if err := ld.open(ctx, schema); err != nil {
		return nil, l.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	l.loaders = append(l.loaders, ld)
	return ld, nil
}

func (ld *loader) open(ctx context.Context, schema *row.Schema) error {
	s := ld.sink
	if s.set.KeyRequired && len(schema.Key) == 0 {
		return fault.New(fault.BadInput, "it has no key, and primary_key_required is set").WithHint("give the stream a key, or set primary_key_required: false to append its rows")
	}
	in, name, grants, err := s.set.place(schema.Stream)
	if err != nil {
		return err
	}
	ld.final, ld.grants = sqltarget.Table{Schema: in, Name: name}, grants
	if err := s.own(ld.final.Ref(), schema.Stream); err != nil {
		return err
	}
	if !ld.overwrites() {
		if ld.at, err = s.lookup(ctx, ld.lane.session, in, name); err != nil {
			return err
		}
	}
	return ld.shape(schema)
}

func (ld *loader) overwrites() bool { return ld.sink.set.LoadMethod == sqltarget.Overwrite }

// own gives a table to a stream; two streams never share one.
func (s *sink) own(ref, stream string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner, taken := s.owner[ref]; taken && owner != stream {
		return fault.New(fault.BadConfig, "its table would be %s, which is that of stream %q", ref, owner).
			WithHint("leave default_target_schema out so that each source schema has its own, map them by schema_mapping, or rename a stream by a stream map")
	}
	s.owner[ref] = stream
	return nil
}

// shape starts a part for rows of a schema.
func (ld *loader) shape(schema *row.Schema) error {
	l, err := ld.sink.plan(schema, ld.at, ld.wants)
	if err != nil {
		return err
	}
	e, err := newEncoder(l)
	if err != nil {
		return err
	}
	for i, c := range schema.Columns {
		if l.into[i].Name == "" {
			ld.sink.changed(targets.Change{Stream: schema.Stream, Kind: "ignore", Column: c.Name, Detail: "the table has no column for it"})
		}
	}
	if err := ld.closePart(); err != nil {
		return err
	}
	ld.schema, ld.part = schema, &part{encoder: e, stream: schema.Stream, binary: l.hasBinary()}
	ld.parts = append(ld.parts, ld.part)
	return nil
}

// closePart finishes the open part; one without rows is forgotten.
func (ld *loader) closePart() error {
	p := ld.part
	if p == nil {
		return nil
	}
	if p.count == 0 {
		ld.parts = slices.DeleteFunc(ld.parts, func(o *part) bool { return o == p })
	}
	ld.part = nil
	return ld.lane.finish(p)
}

// Schema changes the shape of the rows that follow.
func (ld *loader) Schema(_ context.Context, schema *row.Schema) error {
	if ld.schema.Same(schema) {
		ld.schema, ld.part.schema = schema, schema
		return nil
	}
	if err := ld.shape(schema); err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	return nil
}

// Write encodes a batch.
func (ld *loader) Write(ctx context.Context, b *row.Batch) error {
	defer b.Release()
	if err := ld.write(ctx, b); err != nil {
		return ld.lane.fail(err)
	}
	return nil
}

func (ld *loader) write(ctx context.Context, b *row.Batch) error {
	if ld.lane.broken != nil {
		return ld.lane.broken
	}
	if b.Schema != ld.schema {
		if err := ld.Schema(ctx, b.Schema); err != nil {
			return err
		}
	}
	if err := ld.ready(b); err != nil {
		return err
	}
	p, now := ld.part, micros()
	p.begin(now, ld.sink.started, b.Version)
	skips := !p.keyed && ld.sink.set.HardDelete
	for i := range b.Len() {
		if skips && b.Op(i) == row.Delete {
			continue // a table of plain rows has no key to delete by
		}
		var err error
		if p.buffer == nil && p.writer != nil {
			if p.buffer, err = p.writer.buffer(); err != nil {
				return err
			}
		}
		if p.buffer, err = p.append(p.buffer, b, i, now); err != nil {
			return err
		}
		p.count++
		if p.writer == nil && !p.inlined() {
			if err := ld.lane.room(p); err != nil {
				return err
			}
		}
		if p.writer != nil && len(p.buffer) >= bufferBytes {
			if err := p.writer.hand(p.buffer); err != nil {
				return err
			}
			p.buffer = nil
		}
	}
	return nil
}

// ready makes sure of the columns that a batch needs beyond its schema.
func (ld *loader) ready(b *row.Batch) error {
	ld.blank = ld.blank || b.Version == 0 && b.Len() > 0
	w := ld.wants
	w.version = w.version || b.Version != 0 && ld.keepsVersions()
	w.deletes = w.deletes || slices.Contains(b.Ops, row.Delete)
	w.masked = w.masked || b.Unset && ld.part.keyed
	if w == ld.wants {
		return nil
	}
	ld.wants = w
	return ld.shape(ld.schema)
}

// keepsVersions says that rows which come with a version keep it, metadata or
// not: without it a purge, or a truncation at the source, could not tell them
// from those that came before.
func (ld *loader) keepsVersions() bool {
	return ld.sink.set.ActivateVersion && (ld.sink.set.HardDelete || ld.schema.Index(sqltarget.DeletedAt) >= 0)
}

// Activate makes rows of older versions dead with the next Commit. Where this
// run brought rows without a version nobody could tell them from old ones, so
// all are left alone.
func (ld *loader) Activate(_ context.Context, version int64) error {
	if set := ld.sink.set; set.ActivateVersion && !ld.overwrites() && !ld.blank {
		ld.version = version
		if ld.keepsVersions() && !ld.wants.version {
			ld.wants.version = true
			if err := ld.shape(ld.schema); err != nil {
				return ld.lane.fail(fmt.Errorf("stream %q: %w", ld.schema.Stream, err))
			}
		}
	}
	return nil
}

// End completes the stream with the next Commit.
func (ld *loader) End(context.Context) error {
	ld.ended = true
	return ld.lane.broken
}
