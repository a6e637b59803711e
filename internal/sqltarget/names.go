package sqltarget

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// Quote makes an SQL identifier of any name.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Qualify quotes schema and name; without a schema it is the name alone.
func Qualify(schema, name string) string {
	if schema == "" {
		return Quote(name)
	}
	return Quote(schema) + "." + Quote(name)
}

// Naming is how a destination names things. Names are always quoted, so only
// length, case and the destination's own names matter.
type Naming struct {
	Lower      bool     // pipelinewise: everything in lower case
	Upper      bool     // everything in upper case (Snowflake)
	Blind      bool     // names that differ only in case are the same (SQLite)
	Max        int      // longest identifier in bytes, 0: any
	Characters bool     // Max counts characters instead
	Reserved   []string // column names that the destination refuses
}

// Ident is the identifier for name. What is cut off is replaced by a hash of
// the whole name, so that two long names stay apart, always in the same way.
func (n Naming) Ident(name string) string {
	id := strings.ReplaceAll(name, "\x00", "")
	if n.Lower {
		id = strings.ToLower(id)
	}
	if n.Upper {
		id = strings.ToUpper(id)
	}
	if id == "" {
		id = "_"
	}
	if n.Max > 0 && n.size(id) > n.Max {
		return n.suffixed(id, name)
	}
	return id
}

// Columns are the identifiers of a table's columns. Where several names come
// to the same identifier, the one that is spelled like it gets it, else the
// first; the others carry a hash of their name. taken are columns that the
// table has: one spelled differently is another column.
func (n Naming) Columns(names, taken []string) []string {
	owner := map[string]string{}
	for _, t := range taken {
		owner[n.fold(t)] = t
	}
	claim := func(id, name string) bool {
		have, there := owner[n.fold(id)]
		if there && have != id || slices.Contains(n.Reserved, id) {
			return false
		}
		return name == id || !there
	}
	ids := make([]string, len(names))
	used := map[string]bool{}
	settle := func(exact bool) {
		for i, name := range names {
			id := n.Ident(name)
			if ids[i] != "" || exact && id != name || used[n.fold(id)] {
				continue
			}
			if have, there := owner[n.fold(id)]; claim(id, name) || there && have == id {
				ids[i] = id
				used[n.fold(id)] = true
			}
		}
	}
	settle(true)
	settle(false)
	for i, name := range names {
		if ids[i] == "" {
			ids[i] = n.suffixed(n.Ident(name), name)
		}
	}
	return ids
}

// Suffixed is the identifier of a name whose plain identifier is another's.
func (n Naming) Suffixed(name string) string { return n.suffixed(n.Ident(name), name) }

func (n Naming) suffixed(id, name string) string {
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:4])
	if n.Upper {
		tail = strings.ToUpper(tail)
	}
	if n.Max > 0 {
		id = n.cut(id, n.Max-len(tail))
	}
	return id + tail
}

// size is how much of Max an identifier takes.
func (n Naming) size(id string) int {
	if n.Characters {
		return utf8.RuneCountInString(id)
	}
	return len(id)
}

func (n Naming) cut(id string, limit int) string {
	if !n.Characters {
		return cut(id, limit)
	}
	if runes := []rune(id); len(runes) > limit {
		return string(runes[:limit])
	}
	return id
}

func (n Naming) fold(id string) string {
	if n.Blind {
		return strings.ToLower(id)
	}
	return id
}

// cut shortens s to at most limit bytes without splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Split is how a stream's name names a table.
type Split int

const (
	Whole        Split = iota // the whole name is the table
	SDK                       // a-b and a-b-c: the last part is the table, the one before it the schema
	Pipelinewise              // a-b: schema and table; a-b-c-d: catalog, schema and the rest, "." and "-" become "_"
)

// Table takes a stream's name apart; schema is "" when the name has none.
func (s Split) Table(stream string) (schema, table string) {
	parts := strings.Split(stream, "-")
	switch {
	case s == SDK && len(parts) > 1 && parts[len(parts)-1] != "":
		if len(parts) <= 3 {
			schema = parts[len(parts)-2]
		}
		return schema, parts[len(parts)-1]
	case s == Pipelinewise:
		table = stream
		switch {
		case len(parts) == 2:
			schema, table = parts[0], parts[1]
		case len(parts) > 2:
			schema, table = parts[1], strings.Join(parts[2:], "_")
		}
		return schema, strings.NewReplacer(".", "_", "-", "_").Replace(table)
	}
	return "", stream
}
