package jdbc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps"
)

const (
	// positionEvery is after how many rows an INCREMENTAL stream says how far
	// it is, at the next row with another replication key.
	positionEvery = 10_000
	batchBytes    = 256 << 10
)

// sender takes a stream's frames and hands its rows on.
type sender struct {
	ctx    context.Context
	plan   *plan
	out    taps.Output
	pool   *row.Pool
	warned map[string]bool // SQL types that were warned about

	stream  taps.Stream
	columns []column
	schema  *row.Schema
	convert bool // some field is not in its wire yet
	keyAt   int  // the replication key's field, -1 without
	batch   *row.Batch

	rows, covered int64  // rows sent; those before the last position
	key           []byte // the last replication key that was no NULL
	keyed         bool
	tail          []byte // the last row as the bridge sent it
	numeric       []byte
}

// announce is told the columns of a result that begins, or of one whose
// values did not fit.
func (s *sender) announce(columns []column) error {
	if err := s.flush(); err != nil {
		return err
	}
	// What a column has become it stays: a next page does not narrow it.
	for i := range columns {
		if i < len(s.columns) && columns[i].Name == s.columns[i].Name {
			nullable := columns[i].Nullable || s.columns[i].Nullable
			if have, new := s.columns[i].Column, columns[i].Column; row.Holds(have, new) && have.Wire == new.Wire {
				columns[i].Column = have
			}
			columns[i].Nullable = nullable
		}
		if c := columns[i]; c.unknown && !s.warned[c.sqlType] {
			s.warned[c.sqlType] = true
			zerolog.Ctx(s.ctx).Warn().Msgf("stream %s: column %s has the type %s, which is not known here: it is read as the text that the driver gives", s.plan.id, c.Name, c.sqlType)
		}
	}
	return s.shape(columns)
}

func (s *sender) shape(columns []column) error {
	s.columns = columns
	schema := &row.Schema{Stream: s.plan.name, Key: s.plan.keys}
	s.convert, s.keyAt = false, -1
	for i, c := range columns {
		schema.Columns = append(schema.Columns, c.Column)
		s.convert = s.convert || c.Wire == row.WireNumeric
		if s.plan.replica != nil && c.Name == s.plan.replica.Name {
			s.keyAt, schema.ReplicationKey = i, c.Name
		}
	}
	for i, k := range s.plan.keys {
		c := named(columns, k)
		if c == nil {
			return missing(columns, "key property", k)
		}
		schema.Key[i] = c.Name
	}
	if s.schema != nil && s.schema.Same(schema) {
		return nil
	}
	s.schema = schema
	if s.stream != nil {
		return s.stream.Schema(schema)
	}
	var err error
	s.stream, err = s.out.Stream(s.ctx, schema)
	return err
}

// take copies the rows of a frame into batches.
func (s *sender) take(data []byte) error {
	for len(data) > 0 {
		n := int(binary.BigEndian.Uint16(data))
		if n != len(s.columns) {
			return fmt.Errorf("the bridge sent a row of %d fields, not %d", n, len(s.columns))
		}
		end := 2
		var key []byte
		for i := range n {
			size := int(int32(binary.BigEndian.Uint32(data[end:])))
			end += 4
			if size > 0 {
				end += size
			}
			if i == s.keyAt && size >= 0 {
				key = data[end-size : end]
			}
		}
		if err := s.add(data[:end], key); err != nil {
			return err
		}
		if len(data) == end {
			s.tail = append(s.tail[:0], data...)
		}
		data = data[end:]
	}
	return nil
}

func (s *sender) add(tuple, key []byte) error {
	if s.batch == nil {
		s.batch = s.pool.Get(s.schema)
	}
	b := s.batch
	if s.convert {
		b.Begin()
		rest := tuple[2:]
		for i := range s.columns {
			size := int(int32(binary.BigEndian.Uint32(rest)))
			rest = rest[4:]
			if size < 0 {
				b.Null()
				continue
			}
			field := rest[:size]
			rest = rest[size:]
			if s.columns[i].Wire != row.WireNumeric {
				b.Field(field)
				continue
			}
			if err := s.decimal(&s.columns[i], field); err != nil {
				if err != errWider {
					return err
				}
				b.Drop()
				if err := s.widen(i); err != nil {
					return err
				}
				return s.add(tuple, key)
			}
			if i == s.keyAt {
				key = b.Data[len(b.Data)-len(s.numeric):]
			}
		}
	} else {
		b.Offsets = append(b.Offsets, int32(len(b.Data)))
		b.Data = append(b.Data, tuple...)
	}
	b.End()
	if key != nil && (!s.keyed || !bytes.Equal(key, s.key)) {
		due := s.keyed && s.rows-s.covered >= positionEvery
		s.key, s.keyed = append(s.key[:0], key...), true
		if due {
			rest := b.Split(b.Len() - 1)
			if err := s.flush(); err != nil {
				return err
			}
			s.batch = rest
			if err := s.stream.Position(s.plan.position(&s.columns[s.keyAt].Column, s.key, s.rows, true)); err != nil {
				return err
			}
			s.covered = s.rows
		}
	}
	s.rows++
	if len(s.batch.Data) >= batchBytes {
		return s.flush()
	}
	return nil
}

var errWider = fmt.Errorf("the value does not fit the declared precision")

// decimal appends the digits of a decimal in text; s.numeric holds them after it.
func (s *sender) decimal(c *column, text []byte) error {
	var ok bool
	if s.numeric, ok = row.AppendNumeric(s.numeric[:0], text); !ok {
		return fault.New(fault.BadInput, "column %q, a %s: the driver gives a text that is no decimal", c.Name, c.sqlType).
			WithHint("select it with a CAST to VARCHAR in a query of your own")
	}
	if c.Precision > 0 && !fits(c, text) {
		return errWider
	}
	s.batch.Field(s.numeric)
	return nil
}

// fits says whether a decimal has no more digits than its column declares:
// some drivers declare nonsense, and a target would round by it.
func fits(c *column, text []byte) bool {
	whole, fraction, point := 0, 0, false
	for _, d := range text {
		switch {
		case d == '.':
			point = true
		case d < '0' || d > '9':
			if d != '-' && d != '+' {
				return false // an exponent, or NaN
			}
		case point:
			fraction++
		case whole > 0 || d != '0':
			whole++
		}
	}
	return fraction <= c.Scale && whole <= c.Precision-c.Scale
}

// widen makes column i an unlimited decimal.
func (s *sender) widen(i int) error {
	if err := s.flush(); err != nil {
		return err
	}
	columns := append([]column(nil), s.columns...)
	columns[i].Precision, columns[i].Scale = 0, 0
	if err := s.shape(columns); err != nil {
		return err
	}
	s.batch = s.pool.Get(s.schema)
	return nil
}

// flush hands the batch on.
func (s *sender) flush() error {
	b := s.batch
	s.batch = nil
	switch {
	case b == nil:
		return nil
	case b.Len() == 0:
		b.Release()
		return nil
	}
	return s.stream.Write(b)
}

// finish says where the stream ends, and that it does.
func (s *sender) finish() error {
	if err := s.flush(); err != nil {
		return err
	}
	var c row.Column
	var key []byte
	if s.keyAt >= 0 {
		c = s.columns[s.keyAt].Column
	}
	if s.keyed {
		key = s.key
	}
	if err := s.stream.Position(s.plan.position(&c, key, s.rows, false)); err != nil {
		return err
	}
	return s.stream.End()
}

// drop gives up what was not handed on.
func (s *sender) drop() {
	if s.batch != nil {
		s.batch.Release()
		s.batch = nil
	}
	if s.stream != nil {
		s.stream.Close()
	}
}

// last are the values of the last row in the columns of by, as parameters.
func (s *sender) last(by []*column) ([]string, error) {
	b := row.Batch{Data: s.tail, Offsets: []int32{0}}
	values := map[string]string{}
	f := b.Fields(0)
	for i := range s.columns {
		field, state := f.Next()
		switch {
		case state == row.Value && s.columns[i].Wire == row.WireNumeric:
			values[s.columns[i].Name] = string(field) // it was not converted yet
		case state == row.Value:
			values[s.columns[i].Name] = string(row.AppendText(nil, &s.columns[i].Column, field))
		}
	}
	out := make([]string, len(by))
	for i, c := range by {
		v, ok := values[c.Name]
		if !ok {
			return nil, fault.New(fault.BadInput, "a row has no %s, so no page can follow it", c.Name).WithHint("name key_properties that are never NULL, or set page_size: 0")
		}
		out[i] = v
	}
	return out, nil
}
