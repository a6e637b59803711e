package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"elt/internal/row"
)

// stream is a stream of the input with its open batch.
type stream struct {
	r        *Reader
	name     string
	announce [][]byte // schema, key_properties and bookmark_properties as they came last
	schema   *row.Schema
	dec      *decoder
	check    *validator
	widened  map[string]row.Column // what values have asked for, kept for the run
	keep     bool
	hex      map[string]bool // see layout
	prefix   string          // how its RECORD lines begin, "" unknown
	tail     tail            // of the last record
	batch    *row.Batch      // nil: no open rows
}

// tail is what follows the record in a RECORD line.
type tail struct {
	text      []byte // as it stood
	version   int64
	extracted int64 // µs since 2000-01-01 UTC
	timed     bool
}

// schema takes a SCHEMA message. The same one again changes nothing.
func (r *Reader) schema(ctx context.Context, line []byte, m *envelope) error {
	if m.schema == nil {
		return r.fail(m.stream, line, &flaw{text: "a SCHEMA without a schema"})
	}
	s := r.streams[m.stream]
	announce := [][]byte{bytes.Clone(m.schema), bytes.Clone(m.keys), bytes.Clone(m.bookmark)}
	if s != nil && slices.EqualFunc(s.announce, announce, bytes.Equal) {
		return nil
	}
	fresh := s == nil
	if fresh {
		s = &stream{r: r, name: m.stream, widened: map[string]row.Column{}}
	}
	schema, root, err := s.compile(announce)
	if err != nil {
		return r.fail(m.stream, line, err)
	}
	if fresh {
		r.streams[s.name], r.order = s, append(r.order, s)
	}
	s.announce = announce
	if s.schema != nil && s.schema.Same(schema) && s.dec.keep == s.keep {
		schema = s.schema
	} else if err := s.change(ctx, schema); err != nil {
		return err
	}
	s.dec = s.decoder(schema, root)
	return nil
}

// change makes schema the stream's.
func (s *stream) change(ctx context.Context, schema *row.Schema) error {
	if err := s.handOver(ctx); err != nil {
		return err
	}
	s.schema = schema
	return s.r.h.Schema(ctx, schema)
}

// compile makes the schema that announce describes, with the columns that
// values have widened.
func (s *stream) compile(announce [][]byte) (*row.Schema, *keys, error) {
	node, err := parseObject(announce[0])
	if err != nil {
		return nil, nil, &flaw{text: "its schema is no JSON object"}
	}
	j := jsonSchema{root: node, hex: s.r.o.Base16}
	props, ok := properties(node)
	if !ok {
		top := j.shape(announce[0], nil, nil)
		if props = top.properties; props == nil {
			return nil, nil, &flaw{text: `its schema has no "properties"`}
		}
	}
	out := &row.Schema{Stream: s.name, Key: keyList(announce[1]), Source: announce[0]}
	if marks := keyList(announce[2]); len(marks) > 0 {
		out.ReplicationKey = marks[0]
	}
	for _, k := range out.Key { // a key that is no property: its values tell
		if s.r.o.Flatten.MaxLevel == 0 && !slices.ContainsFunc(props, func(p property) bool { return p.name == k }) {
			props, out.Source = append(props, property{k, json.RawMessage(`{}`)}), nil
		}
	}
	l, err := j.lay(props, out.Key, s.r.o.Flatten)
	if err != nil {
		return nil, nil, err
	}
	if s.r.o.Flatten.MaxLevel > 0 {
		out.Source = nil // the columns are no longer its properties
	}
	for n, c := range l.columns {
		if w, ok := s.widened[c.Name]; ok {
			if wide := row.Widen(w, c); wide != c {
				l.columns[n], out.Source = wide, nil
			}
		}
	}
	if w, ok := s.widened[DeletedAt]; ok && !slices.ContainsFunc(l.columns, func(c row.Column) bool { return c.Name == DeletedAt }) {
		l.root.add(DeletedAt, slot{column: len(l.columns)})
		l.columns, out.Source = append(l.columns, w), nil
	}
	out.Columns = l.columns
	s.keep = s.r.o.KeepAbsent || jsonText(node.get(EltAbsent)) == Unset
	s.hex = l.hex
	s.check = s.r.validator(s.name, announce[0])
	return out, l.root, nil
}

// keyList reads a list of property names, or a single one.
func keyList(raw []byte) (names []string) {
	if name := jsonText(raw); name != "" {
		return []string{name}
	}
	for _, item := range list(raw) {
		if name := jsonText(item); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (s *stream) decoder(schema *row.Schema, root *keys) *decoder {
	return newDecoder(schema, root, decoderOptions{keep: s.keep, nul: s.r.o.NUL, hex: s.hex, note: s.note})
}

func (s *stream) note(field string, n notice) {
	why := map[notice]string{
		noticeUTF8:    "has text that is no UTF-8 or half a surrogate pair: replaced by U+FFFD",
		noticeNUL:     "has NUL characters: replaced by U+FFFD",
		noticeNaN:     "has NaN or infinities, which JSON has not: read as NULL",
		noticeUnknown: "is not in its schema: dropped",
	}[n]
	s.r.warn(fmt.Sprint("field ", n, " ", s.name, " ", field), "stream %q: property %q %s (first in %s)", s.name, field, why, s.r.place())
}

// message takes a RECORD line that begins with the stream's prefix.
func (s *stream) message(ctx context.Context, line []byte) error {
	end, err := s.record(ctx, line, len(s.prefix))
	if err == nil {
		err = s.rest(line, end)
		if err != nil {
			s.batch.Drop()
		}
	}
	if err != nil {
		return s.problem(line, err)
	}
	return s.close(ctx)
}

// envelope takes a RECORD whose parts were found one by one.
func (s *stream) envelope(ctx context.Context, line []byte, m *envelope) error {
	if m.record == nil {
		return s.r.bad(s.name, line, &flaw{text: "a RECORD without a record"})
	}
	t := tail{}
	var ok bool
	if t.version, ok = versionOf(m.version); !ok && m.version != nil && string(m.version) != "null" {
		return s.r.bad(s.name, line, &flaw{text: "its version is no integer"})
	}
	s.time(&t, m.extracted)
	if _, err := s.record(ctx, m.record, 0); err != nil {
		return s.problem(line, err)
	}
	s.tail, s.r.last = t, s
	if len(m.prefix) > 0 {
		s.prefix = string(m.prefix)
	}
	return s.close(ctx)
}

// problem sorts errors of a record: flaws are bad records, the rest is the
// handler's.
func (s *stream) problem(line []byte, err error) error {
	if _, ok := err.(*flaw); !ok {
		return err
	}
	return s.r.bad(s.name, line, err)
}

// record puts the record at line[i] into the stream's batch; its row stays
// open. A value that does not fit widens the schema.
func (s *stream) record(ctx context.Context, line []byte, i int) (end int, err error) {
	if s.check != nil {
		if err := s.check.record(line, i); err != nil {
			return i, err
		}
	}
	if s.batch == nil {
		if s.r.open == mostOpen {
			if err := s.r.handOverAll(ctx); err != nil {
				return i, err
			}
		}
		s.batch = s.r.pool.Get(s.schema)
		s.r.open++
	}
	if end, err = s.dec.record(s.batch, line, i); err == errMisfit {
		return s.widen(ctx, line, i)
	}
	return end, err
}

// widen decodes a record that does not fit into a wider schema, hands over
// the rows before it and announces that schema. A record that is bad in
// another way changes nothing.
func (s *stream) widen(ctx context.Context, line []byte, i int) (int, error) {
	dec := s.dec
	var changed []row.Column
	b := &row.Batch{}
	for {
		schema := *dec.schema
		schema.Columns, schema.Source = slices.Clone(schema.Columns), nil
		if n := dec.misfit.column; n < 0 {
			c := row.Column{Name: DeletedAt, Kind: row.TimestampTZ, Wire: row.WireTimestampExt, Nullable: true}
			schema.Columns = append(schema.Columns, c)
			changed = append(changed, c)
		} else {
			have := schema.Columns[n]
			wide := row.Widen(have, dec.misfit.want)
			if wide == have { // Widen and the decoder disagree: text holds all
				wide = row.Widen(have, row.Column{Kind: row.Text, Wire: row.WireText})
			}
			schema.Columns[n] = wide
			changed = append(changed, wide)
		}
		root := dec.root
		if len(schema.Columns) > len(dec.schema.Columns) {
			root = root.with(DeletedAt, len(dec.schema.Columns))
		}
		dec = s.decoder(&schema, root)
		b.Reset(&schema)
		end, err := dec.record(b, line, i)
		if err == errMisfit {
			continue
		}
		if err != nil {
			return end, err
		}
		if err := s.change(ctx, &schema); err != nil {
			return end, err
		}
		for _, c := range changed {
			s.widened[c.Name] = c
			s.r.warn("widened "+s.name+" "+c.Name+" "+c.Kind.String(), "stream %q: property %q becomes %s from %s on, where a value does not fit its schema", s.name, c.Name, c.Kind, s.r.place())
		}
		s.dec, s.batch = dec, b
		s.r.open++
		return end, nil
	}
}

// rest reads what follows the record in its line: version, time_extracted.
func (s *stream) rest(line []byte, i int) error {
	if len(s.tail.text) > 0 && bytes.Equal(line[i:], s.tail.text) {
		return nil
	}
	t := tail{}
	for n := i; ; {
		n = space(line, n)
		if peek(line, n) == '}' {
			if err := trailing(line, n+1); err != nil {
				return err
			}
			break
		}
		if peek(line, n) != ',' {
			return broken(n, "a comma or brace is missing")
		}
		n = space(line, n+1)
		key, ok := stringAt(line, n)
		if !ok {
			return broken(n, "a key is missing")
		}
		end, _ := scanString(line, n+1)
		if n = space(line, end+1); peek(line, n) != ':' {
			return broken(n, "a colon is missing")
		}
		n = space(line, n+1)
		end, err := skip(line, n)
		if err != nil {
			return err
		}
		value := line[n:end]
		switch string(key) {
		case "version":
			if t.version, ok = versionOf(value); !ok && string(value) != "null" {
				return &flaw{at: n, text: "its version is no integer"}
			}
		case "time_extracted":
			s.time(&t, value)
		case "type", "stream", "record":
			return broken(n, string(key)+" comes twice")
		}
		n = end
	}
	t.text = append(s.tail.text[:0], line[i:]...)
	s.tail = t
	return nil
}

// time reads time_extracted; one that cannot be read counts as none.
func (s *stream) time(t *tail, value []byte) {
	if value == nil || string(value) == "null" {
		return
	}
	if text, ok := stringAt(value, 0); ok {
		if i, ok := row.ParseTimestamp(text); ok {
			i.Nano -= i.Nano % 1000
			if t.extracted, t.timed = i.Micros(); t.timed {
				return
			}
		}
	}
	s.r.warn("time "+s.name, "%s, stream %q: time_extracted is no date and time: ignored", s.r.place(), s.name)
}

func versionOf(raw []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	return v, err == nil
}

// close ends the row that record left open, with the operation, version and
// time that the line gave it.
func (s *stream) close(ctx context.Context) error {
	b, t := s.batch, &s.tail
	if b.Len() == 1 {
		b.Version = t.version
	} else if b.Version != t.version || t.timed != (b.Extracted != nil) {
		// Rows of another version, or all rows of a batch or none are timed.
		var err error
		if b, err = s.split(ctx); err != nil {
			return err
		}
		b.Version = t.version
	}
	switch {
	case s.dec.deleted:
		b.EndAs(row.Delete)
	case s.dec.unset:
		b.EndAs(row.Update)
	default:
		b.End()
	}
	if t.timed {
		b.ExtractedAt(t.extracted)
	}
	if len(b.Data) >= s.r.o.BatchBytes {
		return s.handOver(ctx)
	}
	return nil
}

// split moves the open row to a batch of its own and hands over those before.
func (s *stream) split(ctx context.Context) (*row.Batch, error) {
	old := s.batch
	b := s.r.pool.Get(s.schema)
	b.Offsets = append(b.Offsets, 0)
	b.Data = append(b.Data, old.Row(old.Len()-1)...)
	b.Unset = s.dec.unset
	old.Drop()
	s.batch = b
	return b, s.r.h.Write(ctx, old)
}

// handOver gives the open batch to the handler.
func (s *stream) handOver(ctx context.Context) error {
	b := s.batch
	if b == nil {
		return nil
	}
	s.batch = nil
	s.r.open--
	if b.Len() == 0 {
		b.Release()
		return nil
	}
	return s.r.h.Write(ctx, b)
}
