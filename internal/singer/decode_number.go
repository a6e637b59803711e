package singer

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"elt/internal/row"
)

// integerAt reads an integer of at most 18 digits.
func integerAt(line []byte, i int) (v int64, end int, ok bool) {
	neg := line[i] == '-'
	if neg {
		i++
	}
	start := i
	for i < len(line) && line[i]-'0' <= 9 {
		v = v*10 + int64(line[i]-'0')
		i++
	}
	if n := i - start; n == 0 || n > 18 || n > 1 && line[start] == '0' {
		return 0, i, false
	}
	if c := peek(line, i); c == '.' || c|0x20 == 'e' {
		return 0, i, false
	}
	if neg {
		v = -v
	}
	return v, i, true
}

// numeric appends a decimal; text is a number's or a string's.
func (d *decoder) numeric(c *column, text []byte, i int) error {
	at := d.open()
	var ok bool
	if d.dst, ok = row.AppendNumeric(d.dst, text); !ok { // beyond what a server stores
		return d.wrong(c, row.Column{Kind: row.Text, Wire: row.WireText})
	}
	if c.Precision > 0 {
		if before, after := digits(d.dst[at:]); before > c.Precision-c.Scale || after > c.Scale {
			return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: before + after, Scale: after})
		}
	}
	d.close(at)
	return nil
}

// decimal appends the number at line[i] to a column of decimals, if it is a
// plain one that fits; else it does nothing.
func (d *decoder) decimal(c *column, i int) (end int, ok bool) {
	at := d.open()
	dst, n := row.AppendNumericPrefix(d.dst, d.line[i:])
	if n.End == 0 || c.Precision > 0 && (n.Before > c.Precision-c.Scale || n.After > c.Scale) {
		d.dst = d.dst[:at-4]
		return i, false
	}
	d.dst = dst
	d.close(at)
	return i + n.End, true
}

// digits counts the digits before and after the point of a numeric field,
// zeros at the end left out.
func digits(field []byte) (before, after int) {
	n := int(binary.BigEndian.Uint16(field))
	if n == 0 {
		return 0, 0
	}
	weight := int(int16(binary.BigEndian.Uint16(field[2:])))
	first, last := int(binary.BigEndian.Uint16(field[8:])), int(binary.BigEndian.Uint16(field[8+2*(n-1):]))
	if weight >= 0 {
		before = 4 * weight
		for ; first > 0; first /= 10 {
			before++
		}
	}
	if below := n - 1 - weight; below > 0 {
		after = 4 * below
		for ; last%10 == 0; last /= 10 {
			after--
		}
	}
	return before, after
}

// fromNumber appends a number to a column that is none of integers of 64 bits
// in plain form, decimals, text and JSON.
func (d *decoder) fromNumber(c *column, text []byte) error {
	switch c.Kind {
	case row.Int64:
		var ok bool
		if d.number, ok = row.AppendNumeric(d.number[:0], text); ok {
			at := d.open()
			var err error
			if d.dst, err = c.fromNumeric(d.dst, d.number); err == nil { // 1.0, 1e3, or all 64 bits
				d.close(at)
				return nil
			}
		}
	case row.Float64:
		if d.float(c, text) {
			return nil
		}
		return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric})
	case row.Bool:
		if len(text) == 1 && text[0] <= '1' {
			d.dst = append(d.dst, 0, 0, 0, 1, text[0]-'0')
			return nil
		}
	}
	if _, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return d.wrong(c, row.Column{Kind: row.Int64, Wire: row.WireInt8})
	}
	return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric})
}

func (d *decoder) float(c *column, text []byte) bool {
	size := 64
	if c.Wire == row.WireFloat4 {
		size = 32
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), size)
	if err != nil {
		return false
	}
	if size == 32 {
		d.dst = append(d.dst, 0, 0, 0, 4)
		d.dst = binary.BigEndian.AppendUint32(d.dst, math.Float32bits(float32(f)))
	} else {
		d.dst = append(d.dst, 0, 0, 0, 8)
		d.dst = binary.BigEndian.AppendUint64(d.dst, math.Float64bits(f))
	}
	return true
}

func (d *decoder) int8(v int64) {
	d.dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(d.dst, 8), uint64(v))
}

func (d *decoder) int4(v int32) {
	d.dst = binary.BigEndian.AppendUint64(d.dst, 4<<32|uint64(uint32(v)))
}

// decimalText says whether a string may become a number: not when digits
// would be lost, as the zeros of "007".
func decimalText(text []byte) bool {
	i := 0
	if peek(text, 0) == '-' {
		i++
	}
	return len(text) > 0 && text[0] != '+' && !(peek(text, i) == '0' && peek(text, i+1)-'0' <= 9)
}
