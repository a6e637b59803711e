package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/shape"
)

// Declared is what is known of a stream before its first record.
type Declared struct {
	Stream         string
	Properties     []string // in order
	Schemas        map[string]json.RawMessage
	Dropped        []string // properties that the user deselected
	Keys           []string
	ReplicationKey string
	// Grows: properties that nobody declared are added as they appear.
	Grows bool
	Dates bool // see shape.New
}

// DeclaredBy is what a catalog says of a stream. grows counts only where the
// user took all columns: one who chose some wants no others.
func DeclaredBy(cs *singer.CatalogStream, grows, dates bool) Declared {
	d := Declared{Stream: cs.ID(), Keys: cs.Keys(), Schemas: map[string]json.RawMessage{}, Grows: grows, Dates: dates}
	chosen := cs.SelectedProperties()
	for _, name := range cs.Properties() {
		if slices.Contains(chosen, name) || slices.Contains(d.Keys, name) {
			d.Properties = append(d.Properties, name)
			d.Schemas[name] = cs.Property(name)
		} else {
			d.Dropped, d.Grows = append(d.Dropped, name), false
		}
	}
	return d
}

// Rows makes rows of records and sends them. It is the singer.Handler of its
// reader. Used by one goroutine; Close it.
type Rows struct {
	d       Declared
	out     taps.Output
	to      taps.Stream // nil until the first Flush
	in      *singer.Reader
	new     *shape.Shape    // what d does not declare
	unknown map[string]bool // what was left out, nobody having declared it
	schema  json.RawMessage
	stale   bool
	buf     []byte
	current *row.Schema
	Count   int64 // records added
}

// chunk is how many bytes of records are turned into rows at once.
const chunk = 1 << 20

// NewRows makes Rows; the stream is announced by the first Flush.
func NewRows(out taps.Output, d Declared) *Rows {
	return &Rows{d: d, out: out, in: singer.NewReader(nil, singer.ReaderOptions{NUL: singer.NULKeep}), new: shape.New(d.Dates), unknown: map[string]bool{}, stale: true}
}

// Add takes a record, a JSON object, and more members for it (JSON text,
// without braces). place is for messages.
func (r *Rows) Add(ctx context.Context, place string, record []byte, more []byte) error {
	record = bytes.TrimSpace(record)
	if len(record) == 0 || record[0] != '{' {
		return fault.New(fault.BadInput, "%s: a record is %s, not an object", place, kind(record)).WithHint("check records_path")
	}
	from := len(r.buf)
	for _, b := range record {
		if b == '\n' || b == '\r' { // between tokens: a string cannot hold one
			b = ' '
		}
		r.buf = append(r.buf, b)
	}
	if len(more) > 0 {
		r.buf = r.buf[:len(r.buf)-1]
		if len(bytes.TrimSpace(r.buf[from:])) > 1 {
			r.buf = append(r.buf, ',')
		}
		r.buf = append(append(r.buf, more...), '}')
	}
	if err := singer.EachMember(r.buf[from:], r.member); err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	r.buf = append(r.buf, '\n')
	r.Count++
	if len(r.buf) >= chunk {
		return r.Flush(ctx, place)
	}
	return nil
}

// AddDeclared takes a record that the caller made of declared properties, a
// JSON object on one line.
func (r *Rows) AddDeclared(ctx context.Context, place string, record []byte) error {
	r.buf = append(append(r.buf, record...), '\n')
	if r.Count++; len(r.buf) >= chunk {
		return r.Flush(ctx, place)
	}
	return nil
}

func (r *Rows) member(key string, value []byte) error {
	if r.d.Schemas[key] != nil {
		return nil
	}
	if r.d.Grows {
		before := len(r.new.Names())
		if err := r.new.Member(key, value); err != nil {
			return err
		}
		r.stale = r.stale || len(r.new.Names()) > before
	} else if !slices.Contains(r.d.Dropped, key) {
		r.unknown[key] = true
	}
	return nil
}

// Flush sends the records so far, and announces the stream if it was not yet.
func (r *Rows) Flush(ctx context.Context, place string) error {
	if r.stale {
		var err error
		if r.schema, err = r.announced(); err != nil {
			return err
		}
		r.stale = false
	}
	err := r.in.Records(ctx, bytes.NewReader(r.buf), r, r.d.Stream, r.schema, r.d.Keys, place, 0)
	r.buf = r.buf[:0]
	return err
}

// announced is the JSON Schema of what is declared and what came since.
func (r *Rows) announced() (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"object","properties":{`)
	add := func(name string, schema json.RawMessage) {
		if b.Bytes()[b.Len()-1] != '{' {
			b.WriteByte(',')
		}
		b.Write(row.AppendJSONString(nil, []byte(name)))
		b.WriteByte(':')
		b.Write(schema)
	}
	for _, name := range r.d.Properties {
		add(name, r.d.Schemas[name])
	}
	for _, name := range r.new.Names() {
		schema, err := r.new.Property(name)
		if err != nil {
			return nil, err
		}
		add(name, schema)
	}
	b.WriteString("}}")
	return b.Bytes(), nil
}

// Position says that everything flushed so far is covered by mark.
func (r *Rows) Position(mark Mark, exact bool) error {
	value, err := Bookmark(r.d.ReplicationKey, mark)
	if err != nil {
		return err
	}
	return r.Place(value, exact)
}

// Place is Position for a tap with bookmarks of its own shape.
func (r *Rows) Place(bookmark json.RawMessage, exact bool) error {
	return r.to.Position(taps.Position{Stream: r.d.Stream, Value: bookmark, Exact: exact, Rows: r.Count})
}

// End says that the stream is complete.
func (r *Rows) End(ctx context.Context) error {
	if len(r.unknown) > 0 {
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: records have properties that its schema does not have, left out: %q", r.d.Stream, slices.Sorted(maps.Keys(r.unknown)))
	}
	return r.to.End()
}

// Close gives the stream's place to the next one.
func (r *Rows) Close() error {
	if r.to == nil {
		return nil
	}
	return r.to.Close()
}

func (r *Rows) Schema(ctx context.Context, schema *row.Schema) (err error) {
	own := *schema
	if own.Index(r.d.ReplicationKey) >= 0 {
		own.ReplicationKey = r.d.ReplicationKey
	}
	r.current = &own
	if r.to == nil {
		r.to, err = r.out.Stream(ctx, r.current)
		return err
	}
	return r.to.Schema(r.current)
}

func (r *Rows) Write(_ context.Context, b *row.Batch) error {
	b.Schema = r.current
	return r.to.Write(b)
}

// State, Activate and Tick are not heard of in bare records.

func (r *Rows) State(context.Context, json.RawMessage) error  { return nil }
func (r *Rows) Activate(context.Context, string, int64) error { return nil }
func (r *Rows) Tick(context.Context) error                    { return nil }
