package singer

import (
	"bytes"
	"context"
	"slices"

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
	plain    map[string]bool // see layout
	text     map[string]bool // see layout
	prefix   string          // how its RECORD lines begin, "" unknown
	tail     tail            // of the last record
	batch    *row.Batch      // nil: no open rows
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
	l, err := j.lay(props, out.Key, s.r.o.Flatten)
	if err != nil {
		return nil, nil, err
	}
	if s.r.o.Flatten.MaxLevel > 0 {
		out.Source = nil // the columns are no longer its properties
	}
	for _, k := range out.Key { // a key that is no property: its values tell
		if !l.has(k) {
			l.add(row.Column{Name: k, Kind: row.JSON, Wire: row.WireJSON, Mixed: true})
			out.Source = nil
		}
	}
	for n, c := range l.columns {
		if w, ok := s.widened[c.Name]; ok {
			if wide := row.Widen(w, c); wide != c {
				l.columns[n], out.Source = wide, nil
			}
		}
	}
	if w, ok := s.widened[DeletedAt]; ok && !l.has(DeletedAt) {
		l.add(w)
		out.Source = nil
	}
	out.Columns = l.columns
	s.keep = s.r.o.KeepAbsent || jsonText(node.get(EltAbsent)) == Unset
	s.hex, s.plain, s.text = l.hex, l.plain, l.text
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
	return newDecoder(schema, root, decoderOptions{keep: s.keep, nul: s.r.o.NUL, hex: s.hex, blank: s.r.o.BlankNull, plain: s.plain, text: s.text, note: s.note})
}
