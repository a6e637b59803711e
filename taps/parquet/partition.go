package parquet

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/hive"
	"elt/internal/row"
	"elt/taps/files"
)

// hiveTypes are the types that a user gives to partition columns, by name.
type hiveTypes map[string]string

// partitionKinds are the types that hive_types knows, called as in a JSON Schema.
var partitionKinds = [...]string{row.Bool: "boolean", row.Int64: "integer", row.Numeric: "number", row.Text: "string",
	row.Date: "date", row.Time: "time", row.Timestamp: "timestamp", row.TimestampTZ: "timestamptz", row.UUID: "uuid"}

// typeNames lists them.
func typeNames() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(partitionKinds[:]), func(name string) bool { return name == "" }), ", ")
}

func (h hiveTypes) check() error {
	for column, name := range h {
		if h.kind(column) == 0 {
			return fault.New(fault.BadConfig, "tap-parquet: hive_types gives column %q the type %q, which is unknown", column, name).
				WithHint("known are %s", typeNames())
		}
	}
	return nil
}

// kind is 0 for a column that nothing is said of.
func (h hiveTypes) kind(column string) row.Kind {
	name, said := h[column]
	if at := slices.Index(partitionKinds[:], name); said && name != "" && at > 0 {
		return row.Kind(at)
	}
	return 0
}

// partition finds the columns that the path of a file says, as far as the
// file itself does not have them. What target-parquet noted in the file beats
// what a folder's name seems to be, as long as it goes with that name.
func (f *file) partition(from files.File, types hiveTypes) error {
	var noted []hive.Value
	if text, ok := f.in.Lookup(hive.NoteKey); ok {
		if err := json.Unmarshal([]byte(text), &noted); err != nil {
			return f.broken(fmt.Errorf("its key %s: %w", hive.NoteKey, err))
		}
	}
	for _, v := range hive.Values(filepath.ToSlash(from.Path)) {
		if f.has(v.Column) {
			continue
		}
		kind := types.kind(v.Column)
		for _, n := range noted {
			if n.Column == v.Column && n.Folder() == v.Folder() {
				v.Text, v.Kind = n.Text, n.Kind
			}
		}
		l := leaf{constant: true}
		switch noted := row.KindByName(v.Kind); {
		case kind != 0:
		case noted != 0:
			kind = noted
		case v.Text == nil: // any type will do
			kind, l.vague = row.Text, true
		default:
			kind = guess([]byte(*v.Text))
		}
		l.column = row.Column{Name: v.Column, Kind: kind, Wire: notedWire(kind), Nullable: true}
		if v.Text != nil {
			var ok bool
			if l.value, ok = parse(kind, []byte(*v.Text)); !ok {
				return fault.New(fault.BadInput, "%s: the folder of column %q holds no %s: %q", f.path, v.Column, kind, *v.Text).
					WithHint("correct hive_types, or leave the column out of it")
			}
			l.value = append([]byte{}, l.value...) // an empty text is not nil
		}
		f.leaves = append(f.leaves, l)
	}
	return nil
}

func (f *file) has(column string) bool {
	return slices.ContainsFunc(f.leaves, func(l leaf) bool { return l.column.Name == column })
}

// guess is the type of a value that is nothing but a folder's name: that whose
// text would be the same again. So 01 is a text, which loses nothing.
func guess(text []byte) row.Kind {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(text) {
		return row.Int64
	}
	if days, ok := row.ParseDate(text); ok && len(text) == len("2024-01-02") && string(row.AppendDateText(nil, days)) == string(text) {
		return row.Date
	}
	return row.Text
}

// parse makes a field of a text.
func parse(kind row.Kind, text []byte) ([]byte, bool) {
	switch kind {
	case row.Bool:
		v, err := strconv.ParseBool(string(text))
		if v {
			return []byte{1}, err == nil
		}
		return []byte{0}, err == nil
	case row.Int64:
		n, err := strconv.ParseInt(string(text), 10, 64)
		return binary.BigEndian.AppendUint64(nil, uint64(n)), err == nil
	case row.Numeric:
		return row.AppendNumeric(nil, text)
	case row.Date:
		days, ok := row.ParseDate(text)
		return binary.BigEndian.AppendUint32(nil, uint32(days)), ok
	case row.Time:
		micros, ok := row.ParseTime(text)
		return binary.BigEndian.AppendUint64(nil, uint64(micros)), ok
	case row.Timestamp, row.TimestampTZ:
		i, ok := row.ParseTimestamp(text)
		return row.AppendTimestampExt(nil, i), ok
	case row.UUID:
		u, ok := row.ParseUUID(text)
		return u[:], ok
	}
	return text, true
}
