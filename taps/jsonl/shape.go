package jsonl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

// shape is what properties the records of an entity have, and of which types.
// All records are looked at: a property seen first in the last record must
// not be lost.
type shape struct {
	order []string
	seen  map[string]*types
	dates bool // look into strings
}

// types is a set of JSON types with what their texts have in common.
type types struct {
	null, integer, number, boolean, text, object, array bool

	date, timestamp bool // all strings so far were such
}

func (e *entity) shape(ctx context.Context) (*shape, error) {
	s := &shape{seen: map[string]*types{}, dates: *e.Infer}
	paths, err := e.set().Paths()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := s.file(ctx, e, path); err != nil {
			return nil, err
		}
	}
	for _, key := range e.Keys {
		if s.seen[key] == nil && len(s.order) > 0 {
			err := fault.New(fault.BadConfig, "tap-jsonl: key %q of entity %q is no property of its records", key, e.Entity)
			if near := fault.Nearest(key, s.order); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
	}
	return s, nil
}

func (s *shape) file(ctx context.Context, e *entity, path string) error {
	src, err := e.set().Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	in := bufio.NewReaderSize(src, 256<<10)
	var long []byte // a line that is longer than the buffer
	for line := 1; ; line++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], text...)
			for errors.Is(err, bufio.ErrBufferFull) {
				text, err = in.ReadSlice('\n')
				long = append(long, text...)
			}
			text = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if text := bytes.TrimSpace(text); len(text) > 0 {
			if flawed := singer.EachMember(text, s.member); flawed != nil {
				return fault.Wrap(fault.BadInput, flawed, "the line is no JSON object").
					WithPosition(fault.Position{File: path, Line: line}, "").WithHint("entity %q wants one JSON object per line", e.Entity)
			}
		}
		if err != nil {
			return nil
		}
		if line%10000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (s *shape) member(key string, value []byte) error {
	t := s.seen[key]
	if t == nil {
		t = &types{date: s.dates, timestamp: s.dates}
		s.seen[key], s.order = t, append(s.order, key)
	}
	switch value[0] {
	case 'n':
		t.null = true
	case 't', 'f':
		t.boolean = true
	case '{':
		t.object = true
	case '[':
		t.array = true
	case '"':
		t.text = true
		if t.date || t.timestamp {
			t.look(value[1 : len(value)-1])
		}
	default:
		if bytes.ContainsAny(value, ".eE") {
			t.number = true
		} else {
			t.integer = true
		}
	}
	return nil
}

func (t *types) look(text []byte) {
	if _, ok := row.ParseDate(text); !ok {
		t.date = false
	}
	if i, ok := row.ParseTimestamp(text); !ok || i.Offset == row.NoOffset {
		t.timestamp = false
	}
}

// schema is the JSON Schema of the wanted properties (nil: of all).
func (s *shape) schema(wanted []string) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"object","properties":{`)
	first := true
	for _, name := range s.order {
		if wanted != nil && !slices.Contains(wanted, name) {
			continue
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		property, err := json.Marshal(s.seen[name].property())
		if err != nil {
			return nil, err
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(key)
		b.WriteByte(':')
		b.Write(property)
	}
	b.WriteString("}}")
	return b.Bytes(), nil
}

func (t *types) property() map[string]any {
	names := []string{"null"}
	for _, n := range []struct {
		is   bool
		name string
	}{{t.integer && !t.number, "integer"}, {t.number, "number"}, {t.boolean, "boolean"}, {t.object, "object"}, {t.array, "array"}, {t.text, "string"}} {
		if n.is {
			names = append(names, n.name)
		}
	}
	p := map[string]any{"type": names}
	switch {
	case len(names) == 1:
		p["type"] = []string{"null", "string"} // only nulls were seen
	case len(names) == 2 && t.text && t.date:
		p["format"] = "date"
	case len(names) == 2 && t.text && t.timestamp:
		p["format"] = "date-time"
	}
	return p
}
