package filesink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"elt/internal/row"
)

// spill keeps batches of rows in a hidden file that has no name, so that it is
// gone when the process is.
type spill struct {
	file *os.File // nil until there is something
	name string   // where a file cannot be without
	end  int64
	raw  []byte // scratch
}

// extent is where a batch lies: its rows, and then an operation per row where
// it has any.
type extent struct {
	at, rows, ops int64
	unset         bool
}

func (s *spill) add(d *dir, b *row.Batch) (extent, error) {
	if s.file == nil {
		if err := s.make(d); err != nil {
			return extent{}, err
		}
	}
	ops := make([]byte, len(b.Ops))
	for i, op := range b.Ops {
		ops[i] = byte(op)
	}
	e := extent{at: s.end, rows: int64(len(b.Data)), ops: int64(len(ops)), unset: b.Unset}
	_, err := s.file.WriteAt(b.Data, e.at)
	if err == nil && len(ops) > 0 {
		_, err = s.file.WriteAt(ops, e.at+e.rows)
	}
	s.end += e.rows + e.ops
	return e, err
}

func (s *spill) make(d *dir) error {
	return d.locked(func() (err error) {
		if s.file, s.name, err = d.createHidden(); err == nil && d.root.Remove(s.name) == nil {
			s.name = ""
		}
		return err
	})
}

// replayBytes are read at once, so that files get more than a few rows of a
// group at a time, however small the pieces that it was spilled in.
const replayBytes = 1 << 20

// each reads batches back.
func (s *spill) each(list []extent, schema *row.Schema, use func(*row.Batch) error) error {
	b := &row.Batch{}
	b.Reset(schema)
	for n, e := range list {
		if err := s.read(b, e); err != nil {
			return fmt.Errorf("read rows back: %w", err)
		}
		if n < len(list)-1 && len(b.Data) < replayBytes {
			continue
		}
		if err := use(b); err != nil {
			return err
		}
		b.Reset(schema)
	}
	return nil
}

// read adds the rows of an extent to b.
func (s *spill) read(b *row.Batch, e extent) error {
	s.raw = slices.Grow(s.raw[:0], int(e.rows+e.ops))
	raw := s.raw[:e.rows+e.ops]
	if _, err := io.ReadFull(io.NewSectionReader(s.file, e.at, e.rows+e.ops), raw); err != nil {
		return err
	}
	one := row.Batch{Schema: b.Schema, Data: raw[:e.rows], Unset: e.unset}
	for at := 0; at < len(one.Data); {
		one.Offsets = append(one.Offsets, int32(at))
		count := binary.BigEndian.Uint16(one.Data[at:])
		at += 2
		for range count {
			if n := int32(binary.BigEndian.Uint32(one.Data[at:])); n > 0 {
				at += int(n)
			}
			at += 4
		}
	}
	if e.ops > 0 {
		for _, op := range raw[e.rows:] {
			one.Ops = append(one.Ops, row.Op(op))
		}
	}
	if !b.Take(&one) {
		return errors.New("rows of two schemas")
	}
	return nil
}

func (s *spill) drop(d *dir) error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, d.root.Remove(s.name))
	}
	*s = spill{}
	return err
}
