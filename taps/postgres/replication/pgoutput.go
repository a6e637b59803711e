package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PGOutput decodes the messages of pgoutput, protocol version 1: committed
// transactions only, one after the other, values as text.
type PGOutput struct {
	publication string
	relations   map[uint32]*Relation
	old, new    []Value
	truncated   []*Relation
}

// NewPGOutput decodes what a publication publishes.
func NewPGOutput(publication string) *PGOutput {
	return &PGOutput{publication: publication, relations: map[uint32]*Relation{}}
}

// Plugin implements Decoder.
func (*PGOutput) Plugin() string { return "pgoutput" }

// Options implements Decoder.
func (p *PGOutput) Options() []Option {
	return []Option{{"proto_version", "1"}, {"publication_names", identifier(p.publication)}}
}

var errShort = errors.New("pgoutput sent a message that ends too early")

// Decode implements Decoder.
func (p *PGOutput) Decode(lsn LSN, message []byte, c *Change) error {
	*c = Change{LSN: lsn}
	m := reader{rest: message}
	var err error
	switch kind := m.byte(); kind {
	case 'B':
		c.Kind, c.LSN, c.Time = Begin, LSN(m.uint64()), int64(m.uint64())
	case 'C':
		m.byte() // flags, unused
		m.uint64()
		c.Kind, c.LSN, c.Time = Commit, LSN(m.uint64()), int64(m.uint64())
	case 'R':
		p.describe(&m)
	case 'I', 'U', 'D':
		err = p.row(kind, &m, c)
	case 'T':
		err = p.truncate(&m, c)
	case 'O', 'Y', 'M': // origin, type, message
	default:
		return fmt.Errorf("pgoutput sent a message of the unknown kind %q", kind)
	}
	if err == nil && m.short {
		err = errShort
	}
	return err
}

func (p *PGOutput) describe(m *reader) {
	r := &Relation{OID: m.uint32(), Schema: m.string(), Name: m.string()}
	if r.Schema == "" {
		r.Schema = "pg_catalog"
	}
	m.byte() // the replica identity
	for range m.uint16() {
		m.byte() // whether it is part of the identity
		r.Columns = append(r.Columns, Column{Name: m.string(), Type: m.uint32(), Mod: int32(m.uint32())})
		if m.short {
			break
		}
	}
	p.relations[r.OID] = r
}

func (p *PGOutput) row(kind byte, m *reader, c *Change) error {
	oid := m.uint32()
	if c.Relation = p.relations[oid]; c.Relation == nil {
		return fmt.Errorf("pgoutput sent a row of relation %d, which it did not describe", oid)
	}
	part := m.byte()
	if part == 'K' || part == 'O' {
		p.old = m.tuple(p.old[:0])
		for i := range p.old {
			if part == 'K' && p.old[i].State == Null { // stands for what is no part of the identity
				p.old[i].State = Absent
			}
		}
		c.Old = p.old
		if kind == 'U' {
			part = m.byte()
		}
	}
	if part == 'N' {
		p.new = m.tuple(p.new[:0])
		c.New = p.new
	}
	switch kind {
	case 'I':
		c.Kind = Insert
	case 'U':
		c.Kind = Update
	default:
		c.Kind = Delete
	}
	if columns := len(c.Relation.Columns); c.Old != nil && len(c.Old) != columns || c.New != nil && len(c.New) != columns || (c.New == nil) != (kind == 'D') {
		return fmt.Errorf("pgoutput sent a row of %s.%s that does not fit its description", c.Relation.Schema, c.Relation.Name)
	}
	return nil
}

func (p *PGOutput) truncate(m *reader, c *Change) error {
	count := m.uint32()
	m.byte() // options: cascade, restart identity
	p.truncated = p.truncated[:0]
	for range count {
		oid := m.uint32()
		if m.short {
			return errShort
		}
		r := p.relations[oid]
		if r == nil {
			return fmt.Errorf("pgoutput truncates relation %d, which it did not describe", oid)
		}
		p.truncated = append(p.truncated, r)
	}
	c.Kind, c.Truncated = Truncate, p.truncated
	return nil
}

// reader takes a message apart; short says that it ended too early.
type reader struct {
	rest  []byte
	short bool
}

func (m *reader) take(n int) []byte {
	if n < 0 || n > len(m.rest) {
		m.short, m.rest = true, nil
		return nil
	}
	b := m.rest[:n]
	m.rest = m.rest[n:]
	return b
}

func (m *reader) byte() byte {
	if b := m.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (m *reader) uint16() uint16 {
	if b := m.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (m *reader) uint32() uint32 {
	if b := m.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (m *reader) uint64() uint64 {
	if b := m.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (m *reader) string() string {
	for i, b := range m.rest {
		if b == 0 {
			s := string(m.rest[:i])
			m.rest = m.rest[i+1:]
			return s
		}
	}
	m.short, m.rest = true, nil
	return ""
}

func (m *reader) tuple(dst []Value) []Value {
	for range m.uint16() {
		v := Value{}
		switch m.byte() {
		case 'n':
			v.State = Null
		case 'u':
			v.State = Unchanged
		case 't':
			v.State, v.Bytes = Text, m.take(int(int32(m.uint32())))
		default: // b is never asked for
			m.short = true
		}
		if m.short {
			return dst
		}
		dst = append(dst, v)
	}
	return dst
}
