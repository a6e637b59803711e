package mysql

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"elt/internal/fault"
	"elt/taps/mysql/wire"
)

// describe finds the plan's columns in a table as the log has it: by their
// names where the server says them, else by their order. A table that had
// fewer columns then lacks its last ones.
func (f *follower) describe(t *wire.Table) error {
	rel := f.plan.rel
	f.table, f.at = t, make([]int, len(f.fields))
	f.before, f.after = make([]wire.Cell, t.Len()), make([]wire.Cell, t.Len())
	f.out, f.old = make([]wire.Cell, len(f.fields)), make([]wire.Cell, len(f.fields))
	if t.Names == nil && t.Len() > len(rel.columns) {
		return f.altered(fmt.Sprintf("it had %d columns then and has %d now", t.Len(), len(rel.columns)))
	}
	for i := range f.fields {
		a := &f.fields[i].attribute
		at := slices.IndexFunc(rel.columns, func(c attribute) bool { return c.Name == a.Name })
		if t.Names != nil {
			at = slices.IndexFunc(t.Names, func(n string) bool { return strings.EqualFold(n, a.Name) })
		}
		if at >= t.Len() {
			at = -1
		}
		if f.at[i] = at; at >= 0 && !a.is(t.Class(at)) {
			return f.altered(fmt.Sprintf("%s was no %s", a.Name, a.sqlType))
		}
	}
	return nil
}

func (f *follower) altered(how string) error {
	return fault.New(fault.Failed, "%s has changed its shape since the changes at %s:%d: %s", f.plan.rel.table(), f.log.At.File, f.log.At.Pos, how).
		WithHint("read the stream anew with --full-refresh; with binlog_row_metadata = FULL the server says which column is which")
}

// is says whether values of class c can be a's.
func (a *attribute) is(c wire.Class) bool {
	switch a.dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return c == wire.Integers
	case "float", "double":
		return c == wire.Floats
	case "decimal":
		return c == wire.Decimals || c == wire.Integers
	case "year":
		return c == wire.Years
	case "date":
		return c == wire.Dates
	case "time":
		return c == wire.Times
	case "datetime", "timestamp":
		return c == wire.Moments
	case "bit":
		return c == wire.Bits
	case "enum":
		return c == wire.Enums
	case "set":
		return c == wire.Sets
	case "json":
		return c == wire.Documents || c == wire.Strings
	}
	return c == wire.Strings || c == wire.Enums && a.text
}

// pick takes the plan's columns out of a row of the log, as a SELECT would
// have them.
func (f *follower) pick(dst, from []wire.Cell) error {
	for i := range dst {
		at := f.at[i]
		if at < 0 {
			dst[i].Kind = wire.Null
			continue
		}
		dst[i] = from[at]
		if err := f.settle(&f.fields[i], &dst[i], f.table.Width(at)); err != nil {
			return fmt.Errorf("column %q: %w", f.fields[i].Name, err)
		}
	}
	return nil
}

// settle finishes a value by what only the table's description says.
func (f *follower) settle(d *field, c *wire.Cell, width int) (err error) {
	switch c.Kind {
	case wire.Int:
		if d.unsigned {
			c.Unsign(width)
		}
	case wire.Member:
		c.Kind = wire.Bytes
		if c.Bytes = nil; c.Uint > 0 && c.Uint <= uint64(len(d.members)) {
			c.Bytes = d.members[c.Uint-1]
		}
	case wire.Members:
		var names [][]byte
		for n, name := range d.members {
			if n < 64 && c.Uint>>n&1 != 0 {
				names = append(names, name)
			}
		}
		c.Kind, c.Bytes = wire.Bytes, bytes.Join(names, []byte{','})
	case wire.Document:
		c.Kind = wire.Bytes
		c.Bytes, err = wire.AppendDocument(nil, c.Bytes)
	case wire.Bytes:
		c.Bytes, err = f.text(d, c.Bytes)
	}
	return err
}

func (f *follower) text(d *field, v []byte) ([]byte, error) {
	switch d.dataType {
	case "binary":
		for len(v) < d.length {
			v = append(slices.Clip(v), make([]byte, d.length-len(v))...)
		}
		return v, nil
	case "uuid", "inet6", "inet4":
		size := 16
		if d.dataType == "inet4" {
			size = 4
		}
		v = append(slices.Clip(v), make([]byte, max(0, size-len(v)))...)
		return address(d.dataType, v), nil
	}
	switch {
	case d.expr != "": // geometry: SRID and WKB
		rows, err := f.ask.query(f.ctx, "select st_astext(x'"+hex.EncodeToString(v)+"')")
		if err != nil {
			return nil, err
		}
		return []byte(rows[0][0]), nil
	case d.charset == "" || strings.HasPrefix(d.charset, "utf8") || d.charset == "ascii" || d.charset == "binary":
		return v, nil
	}
	cs := f.charsets[d.charset]
	if cs == nil {
		var err error
		if cs, err = f.ask.charset(f.ctx, d.charset); err != nil {
			return nil, err
		}
		if f.charsets == nil {
			f.charsets = map[string]*charset{}
		}
		f.charsets[d.charset] = cs
	}
	return cs.decode(f.ctx, f.ask, v)
}

// address writes MariaDB's types of 16 and 4 bytes.
func address(dataType string, v []byte) []byte {
	if dataType != "uuid" {
		a, _ := netip.AddrFromSlice(v)
		return []byte(a.String())
	}
	h := hex.EncodeToString(v)
	return []byte(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}

// charset is a character set that is not Unicode's, as the server knows it.
type charset struct {
	name  string
	table []string // of one byte each; nil: the server is asked for each text
}

func (s *session) charset(ctx context.Context, name string) (*charset, error) {
	rows, err := s.query(ctx, "select maxlen from information_schema.character_sets where character_set_name = ?", name)
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("the character set %q is not known: %w", name, err)
	}
	cs := &charset{name: name}
	if rows[0][0] != "1" {
		return cs, nil
	}
	var list []string
	for b := range 256 {
		list = append(list, fmt.Sprintf("convert(_%s x'%02x' using utf8mb4)", name, b))
	}
	if rows, err = s.query(ctx, "select "+strings.Join(list, ", ")); err != nil {
		return nil, err
	}
	cs.table = rows[0]
	return cs, nil
}

func (c *charset) decode(ctx context.Context, s *session, v []byte) ([]byte, error) {
	if c.table == nil {
		if len(v) == 0 {
			return v, nil
		}
		rows, err := s.query(ctx, "select convert(_"+c.name+" x'"+hex.EncodeToString(v)+"' using utf8mb4)")
		if err != nil {
			return nil, err
		}
		return []byte(rows[0][0]), nil
	}
	plain := true
	for _, b := range v {
		plain = plain && b < utf8.RuneSelf && c.table[b] == string(rune(b))
	}
	if plain {
		return v, nil
	}
	out := make([]byte, 0, len(v)+len(v)/2)
	for _, b := range v {
		out = append(out, c.table[b]...)
	}
	return out, nil
}

// members are the values of an enum or set, out of its type.
func members(columnType string) (names [][]byte) {
	_, list, _ := strings.Cut(columnType, "(")
	for len(list) > 0 && list[0] == '\'' {
		var name []byte
		i := 1
		for ; i < len(list); i++ {
			if list[i] == '\'' {
				if i+1 < len(list) && list[i+1] == '\'' {
					i++
				} else {
					break
				}
			}
			name = append(name, list[i])
		}
		names = append(names, name)
		list = strings.TrimPrefix(strings.TrimPrefix(list[min(len(list), i+1):], ","), " ")
	}
	return names
}

// lengthOf is n of a type like binary(n).
func lengthOf(columnType string) int {
	_, rest, _ := strings.Cut(columnType, "(")
	digits, _, _ := strings.Cut(rest, ")")
	n, _ := strconv.Atoi(digits)
	return n
}
