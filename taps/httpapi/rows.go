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
	Dates bool     // see shape.New
	Added []string // properties that come from elsewhere than the record, as its parent's
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
	more    []byte
	visit   func(key, value []byte) error // member
	found   []byte                        // of the replication key, in the record looked at
	keys    int                           // of its key properties
	current *row.Schema
	Count   int64 // records added
}

// chunk is how many bytes of records are turned into rows at once.
const chunk = 1 << 20

// NewRows makes Rows; the stream is announced by the first Flush.
func NewRows(out taps.Output, d Declared) *Rows {
	r := &Rows{d: d, out: out, in: singer.NewReader(nil, singer.ReaderOptions{NUL: singer.NULKeep}), new: shape.New(d.Dates), unknown: map[string]bool{}, stale: true}
	r.visit = r.member
	return r
}

// Add takes a record, a JSON object, and more members for it (JSON text,
// without braces). place is for messages.
func (r *Rows) Add(ctx context.Context, place string, record []byte, more []byte) error {
	if _, err := r.Look(record); err != nil {
		return err
	}
	return r.Append(ctx, place, record, more)
}

// Look checks a record and notes what properties it has: those that nobody
// declared become columns. It returns the value of the replication key, nil
// when there is none. A key that is missing is an error: the shape changed.
func (r *Rows) Look(record []byte) (replication []byte, err error) {
	record = bytes.TrimSpace(record)
	if len(record) == 0 || record[0] != '{' {
		return nil, fault.New(fault.BadInput, "a record is %s, not an object", Kind(record)).WithKind(fault.KindShape).WithHint("check records_path")
	}
	r.found, r.keys = nil, 0
	if err := singer.Members(record, r.visit); err != nil {
		return nil, err
	}
	if r.keys < len(r.d.Keys) {
		if err := r.missing(record); err != nil {
			return nil, err
		}
	}
	return r.found, nil
}

// Append sends a record that was looked at.
func (r *Rows) Append(ctx context.Context, place string, record []byte, more []byte) error {
	record = bytes.TrimSpace(record)
	from := len(r.buf)
	r.buf = append(r.buf, record...)
	if bytes.IndexByte(record, '\n') >= 0 || bytes.IndexByte(record, '\r') >= 0 {
		for i := from; i < len(r.buf); i++ {
			if r.buf[i] == '\n' || r.buf[i] == '\r' { // between tokens: a string cannot hold one
				r.buf[i] = ' '
			}
		}
	}
	if len(more) > 0 {
		r.buf = bytes.TrimRight(r.buf[:len(r.buf)-1], " ")
		if r.buf[len(r.buf)-1] != '{' {
			r.buf = append(r.buf, ',')
		}
		at := len(r.buf)
		r.buf = append(append(r.buf, more...), '}')
		r.more = append(append(append(r.more[:0], '{'), r.buf[at:len(r.buf)-1]...), '}')
		if err := singer.Members(r.more, r.visit); err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
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

func (r *Rows) member(key, value []byte) error {
	if len(r.d.Keys) > 0 && slices.ContainsFunc(r.d.Keys, func(k string) bool { return k == string(key) }) {
		r.keys++
	}
	if r.d.ReplicationKey != "" && string(key) == r.d.ReplicationKey {
		r.found = value
	}
	if r.d.Schemas[string(key)] != nil {
		return nil
	}
	if r.d.Grows {
		before := len(r.new.Names())
		if err := r.new.Member(key, value); err != nil {
			return err
		}
		r.stale = r.stale || len(r.new.Names()) > before
	} else if !slices.Contains(r.d.Dropped, string(key)) {
		r.unknown[string(key)] = true
	}
	return nil
}

// missing names a key that the record lacks and that nothing else will add.
func (r *Rows) missing(record []byte) error {
	has := map[string]bool{}
	var names []string
	err := singer.EachMember(record, func(key string, _ []byte) error {
		has[key], names = true, append(names, key)
		return nil
	})
	for _, key := range r.d.Keys {
		if err == nil && !has[key] && !slices.Contains(r.d.Added, key) {
			e := fault.New(fault.BadInput, "a record lacks the key %q", key).WithKind(fault.KindShape).WithHint("the shape of the answer changed, or primary_keys is wrong")
			if near := fault.Nearest(key, names); near != "" {
				e = e.WithHint("it has %q: did its name change?", near)
			}
			return e
		}
	}
	return err
}

// Announced says that the stream was announced.
func (r *Rows) Announced() bool { return r.to != nil }

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
