package replication

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WAL2JSON decodes the messages of wal2json, format version 2. NaN and
// infinite numbers are NULL in what it sends.
type WAL2JSON struct {
	tables    string
	relations map[string]*Relation
	old, new  []Value
	truncated []*Relation
	named     []named
	identity  []named
}

// NewWAL2JSON decodes changes of the given tables, which have the shape that
// is given until the log shows another one.
func NewWAL2JSON(tables []*Relation) *WAL2JSON {
	w := &WAL2JSON{relations: map[string]*Relation{}}
	special := strings.NewReplacer(`\`, `\\`, ` `, `\ `, `'`, `\'`, `,`, `\,`, `.`, `\.`, `*`, `\*`)
	for i, t := range tables {
		if i > 0 {
			w.tables += ","
		}
		w.tables += special.Replace(t.Schema) + "." + special.Replace(t.Name)
		w.relations[t.Schema+"\x00"+t.Name] = t
	}
	return w
}

// Plugin implements Decoder.
func (*WAL2JSON) Plugin() string { return "wal2json" }

// Options implements Decoder.
func (w *WAL2JSON) Options() []Option {
	return []Option{{"format-version", "2"}, {"include-transaction", "true"}, {"include-timestamp", "true"}, {"include-lsn", "true"},
		{"include-types", "false"}, {"include-type-oids", "true"}, {"add-tables", w.tables}}
}

var errJSON = errors.New("wal2json sent something else than its JSON")

// named is an entry of "columns" or "identity".
type named struct {
	name  []byte
	oid   uint32
	value Value
}

// Decode implements Decoder.
func (w *WAL2JSON) Decode(lsn LSN, message []byte, c *Change) error {
	*c = Change{LSN: lsn}
	var action byte
	var schema, table, at, stamp []byte
	w.named, w.identity = w.named[:0], w.identity[:0]
	j := json{rest: message}
	columns, identity := false, false
	j.object(func(key []byte) {
		switch string(key) {
		case "action":
			if a := j.text(); len(a) == 1 {
				action = a[0]
			}
		case "schema":
			schema = j.text()
		case "table":
			table = j.text()
		case "lsn":
			at = j.text()
		case "timestamp":
			stamp = j.text()
		case "columns":
			columns = true
			w.named = j.columns(w.named)
		case "identity":
			identity = true
			w.identity = j.columns(w.identity)
		default:
			j.skip()
		}
	})
	if j.bad || action == 0 {
		return errJSON
	}
	switch action {
	case 'B', 'C':
		return w.boundary(action, at, stamp, c)
	case 'I', 'U', 'D', 'T':
	default:
		return nil
	}
	relation := w.relations[string(schema)+"\x00"+string(table)]
	if relation == nil {
		return nil // not one of ours
	}
	if columns {
		relation = w.shape(relation, action == 'I')
	}
	c.Relation = relation
	if identity {
		w.old = place(w.old, relation, w.identity, Absent)
		c.Old = w.old
	}
	if columns {
		w.new = place(w.new, relation, w.named, Unchanged)
		c.New = w.new
	}
	switch action {
	case 'I':
		c.Kind = Insert
	case 'U':
		c.Kind = Update
	case 'D':
		c.Kind = Delete
	case 'T':
		w.truncated = append(w.truncated[:0], relation)
		c.Kind, c.Truncated = Truncate, w.truncated
	}
	if (c.New == nil) != (action == 'D' || action == 'T') {
		return errJSON
	}
	return nil
}

// boundary is the begin or end of a transaction. The message of a commit
// stands where its record ends.
func (w *WAL2JSON) boundary(action byte, at, stamp []byte, c *Change) error {
	if action == 'C' {
		c.Kind = Commit
		return nil
	}
	lsn, err := ParseLSN(string(at))
	if err != nil {
		return err
	}
	c.Kind, c.LSN = Begin, lsn
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", string(stamp))
	if err != nil {
		return fmt.Errorf("wal2json says when a transaction was committed: %w", err)
	}
	c.Time = t.UnixMicro() - epoch
	return nil
}

// shape is the relation that the message's columns are of: the known one, or
// a new one where the table was another when the change was written. whole
// says that the message has all columns: of an update, values that it did not
// touch may be missing.
func (w *WAL2JSON) shape(r *Relation, whole bool) *Relation {
	same := !whole || len(w.named) == len(r.Columns)
	for i, n := range w.named {
		at := find(r, n.name, i)
		same = same && at >= 0 && r.Columns[at].Type == n.oid && (!whole || at == i)
	}
	if same {
		return r
	}
	next := &Relation{Schema: r.Schema, Name: r.Name}
	if !whole {
		next.Columns = slices.Clone(r.Columns)
	}
	for i, n := range w.named {
		c := Column{Name: string(n.name), Type: n.oid, Mod: -1}
		if was := find(r, n.name, i); was >= 0 && r.Columns[was].Type == n.oid {
			c.Mod = r.Columns[was].Mod
		}
		if at := find(next, n.name, i); at >= 0 {
			next.Columns[at] = c
		} else {
			next.Columns = append(next.Columns, c)
		}
	}
	w.relations[r.Schema+"\x00"+r.Name] = next
	return next
}

// find is the column called name, looked for at guess first.
func find(r *Relation, name []byte, guess int) int {
	if guess < len(r.Columns) && r.Columns[guess].Name == string(name) {
		return guess
	}
	return slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == string(name) })
}

// place puts values in the order of the relation's columns.
func place(dst []Value, r *Relation, values []named, missing State) []Value {
	dst = dst[:0]
	for range r.Columns {
		dst = append(dst, Value{State: missing})
	}
	for i, n := range values {
		if at := find(r, n.name, i); at >= 0 {
			dst[at] = n.value
			if n.oid == byteaOID && n.value.State == Text {
				dst[at].State = Hex
			}
		}
	}
	return dst
}

const byteaOID = 17

// json reads one message of wal2json. Strings are unescaped where they lie.
type json struct {
	rest []byte
	bad  bool
}

func (j *json) fail() {
	j.bad, j.rest = true, nil
}

func (j *json) space() {
	j.rest = bytes.TrimLeft(j.rest, " \t\r\n")
}

// accept takes c if it is next.
func (j *json) accept(c byte) bool {
	j.space()
	if len(j.rest) == 0 || j.rest[0] != c {
		return false
	}
	j.rest = j.rest[1:]
	return true
}

// object calls member for each key; member takes the value.
func (j *json) object(member func(key []byte)) {
	if !j.accept('{') {
		j.fail()
		return
	}
	for first := true; !j.accept('}'); first = false {
		if !first && !j.accept(',') {
			j.fail()
		}
		key := j.text()
		if !j.accept(':') {
			j.fail()
		}
		if j.bad {
			return
		}
		member(key)
		if j.bad {
			return
		}
	}
}

// columns reads an array of {"name", "typeoid", "value"}.
func (j *json) columns(dst []named) []named {
	if !j.accept('[') {
		j.fail()
		return dst
	}
	for first := true; !j.accept(']'); first = false {
		if !first && !j.accept(',') {
			j.fail()
		}
		if j.bad {
			return dst
		}
		var n named
		j.object(func(key []byte) {
			switch string(key) {
			case "name":
				n.name = j.text()
			case "typeoid":
				oid, err := strconv.ParseUint(string(j.scalar()), 10, 32)
				if err != nil {
					j.fail()
				}
				n.oid = uint32(oid)
			case "value":
				n.value = j.value()
			default:
				j.skip()
			}
		})
		dst = append(dst, n)
	}
	return dst
}

// value is a column's: a string's text, or a number, true or false as it stands.
func (j *json) value() Value {
	j.space()
	if len(j.rest) > 0 && j.rest[0] == '"' {
		return Value{Text, j.text()}
	}
	s := j.scalar()
	if string(s) == "null" {
		return Value{State: Null}
	}
	return Value{Text, s}
}

// scalar is a number or word.
func (j *json) scalar() []byte {
	j.space()
	n := 0
	for n < len(j.rest) && bytes.IndexByte([]byte(",]} \t\r\n"), j.rest[n]) < 0 {
		n++
	}
	if n == 0 {
		j.fail()
		return nil
	}
	s := j.rest[:n]
	j.rest = j.rest[n:]
	return s
}

// text is a string, unescaped in place.
func (j *json) text() []byte {
	if !j.accept('"') {
		j.fail()
		return nil
	}
	end := bytes.IndexAny(j.rest, `"\`)
	if end >= 0 && j.rest[end] == '"' {
		s := j.rest[:end]
		j.rest = j.rest[end+1:]
		return s
	}
	if end < 0 {
		j.fail()
		return nil
	}
	src, out := j.rest, j.rest[:end]
	for i := end; i < len(src); {
		switch c := src[i]; c {
		case '"':
			j.rest = src[i+1:]
			return out
		case '\\':
			n := 0
			if out, n = unescape(out, src[i:]); n == 0 {
				j.fail()
				return nil
			}
			i += n
		default:
			out = append(out, c)
			i++
		}
	}
	j.fail()
	return nil
}

// skip passes over any value.
func (j *json) skip() {
	j.space()
	switch {
	case len(j.rest) == 0:
		j.fail()
	case j.rest[0] == '"':
		j.text()
	case j.rest[0] == '{':
		j.object(func([]byte) { j.skip() })
	case j.rest[0] == '[':
		j.accept('[')
		for first := true; !j.bad && !j.accept(']'); first = false {
			if !first && !j.accept(',') {
				j.fail()
			}
			j.skip()
		}
	default:
		j.scalar()
	}
}
