package wire

import (
	"encoding/binary"
	"fmt"
)

// Table is a table as the binlog describes it before its rows.
type Table struct {
	Database, Name string
	Names          []string // of the columns, where the server says them (binlog_row_metadata = FULL)
	columns        []stored
}

// stored is how a column is laid out in the binlog.
type stored struct {
	typ  byte
	meta uint16
}

// Len is how many columns the table has.
func (t *Table) Len() int { return len(t.columns) }

// mapped reads a TABLE_MAP event.
func (l *Log) mapped(p []byte) error {
	if len(p) < 10 {
		return errShort
	}
	id, p := little(p[:6]), p[8:]
	var name [2]string
	for i := range name {
		if len(p) < int(p[0])+2 {
			return errShort
		}
		name[i], p = string(p[1:1+p[0]]), p[p[0]+2:]
	}
	if !l.Want(name[0], name[1]) {
		l.tables[id] = nil
		return nil
	}
	count, _, n := lenenc(p)
	if n == 0 || uint64(len(p)-n) < count {
		return errShort
	}
	types, p := p[n:n+int(count)], p[n+int(count):]
	size, _, n := lenenc(p)
	if n == 0 || uint64(len(p)-n) < size {
		return errShort
	}
	meta, p := p[n:n+int(size)], p[n+int(size):]
	t := &Table{Database: name[0], Name: name[1], columns: make([]stored, count)}
	for i, typ := range types {
		var err error
		if meta, err = t.columns[i].describe(typ, meta); err != nil {
			return err
		}
	}
	nulls := (int(count) + 7) / 8
	if len(p) < nulls {
		return errShort
	}
	t.names(p[nulls:])
	l.tables[id] = t
	return nil
}

// describe reads a column's parameters and returns those of the next.
func (s *stored) describe(typ byte, meta []byte) ([]byte, error) {
	s.typ = typ
	size := 0
	switch typ {
	case typeFloat, typeDouble, typeBlob, typeTinyBlob, typeMediumBlob, typeLongBlob, typeGeometry, typeJSON, typeTimestamp2, typeDateTime2, typeTime2:
		size = 1
	case typeVarChar, typeVarString, typeBit, typeNewDecimal, typeString, typeEnum, typeSet:
		size = 2
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeYear, typeDate, typeNewDate, typeTime, typeDateTime, typeTimestamp, typeNull:
	default:
		return nil, fmt.Errorf("a column of the unknown type %d (MariaDB's COMPRESSED columns are not supported)", typ)
	}
	if len(meta) < size {
		return nil, errShort
	}
	switch {
	case size == 1:
		s.meta = uint16(meta[0])
	case size == 2 && (typ == typeVarChar || typ == typeVarString):
		s.meta = binary.LittleEndian.Uint16(meta)
	case size == 2 && typ == typeString: // also enum and set, and lengths beyond 255
		real, length := meta[0], uint16(meta[1])
		if real&0x30 != 0x30 {
			length |= uint16(real&0x30^0x30) << 4
			real |= 0x30
		}
		s.typ, s.meta = real, length
	case size == 2:
		s.meta = uint16(meta[0])<<8 | uint16(meta[1])
	}
	return meta[size:], nil
}

// names takes the columns' names out of the optional metadata.
func (t *Table) names(p []byte) {
	for len(p) > 1 {
		kind := p[0]
		size, _, n := lenenc(p[1:])
		if n == 0 || uint64(len(p)-1-n) < size {
			return
		}
		value := p[1+n : 1+n+int(size)]
		p = p[1+n+int(size):]
		if kind != 4 {
			continue
		}
		var names []string
		for len(value) > 0 {
			size, _, n := lenenc(value)
			if n == 0 || uint64(len(value)-n) < size {
				return
			}
			names, value = append(names, string(value[n:n+int(size)])), value[n+int(size):]
		}
		if len(names) == len(t.columns) {
			t.Names = names
		}
	}
}

// Class is a family of types: within one, values of one column may become
// values of another.
type Class uint8

const (
	Strings Class = iota
	Integers
	Floats
	Decimals
	Years
	Dates
	Times
	Moments
	Bits
	Enums
	Sets
	Documents
)

// Class is the family of column i.
func (t *Table) Class(i int) Class {
	switch t.columns[i].typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong:
		return Integers
	case typeFloat, typeDouble:
		return Floats
	case typeNewDecimal:
		return Decimals
	case typeYear:
		return Years
	case typeDate, typeNewDate:
		return Dates
	case typeTime, typeTime2:
		return Times
	case typeDateTime, typeDateTime2, typeTimestamp, typeTimestamp2:
		return Moments
	case typeBit:
		return Bits
	case typeEnum:
		return Enums
	case typeSet:
		return Sets
	case typeJSON:
		return Documents
	}
	return Strings
}

// Width is how many bytes a number of column i has.
func (t *Table) Width(i int) int {
	switch t.columns[i].typ {
	case typeTiny:
		return 1
	case typeShort:
		return 2
	case typeInt24:
		return 3
	case typeLong:
		return 4
	}
	return 8
}
