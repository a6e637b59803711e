package xactly

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"

	"elt/internal/fault"
)

// streams.tsv lists the tables that the original tap read, and two more.
//
//go:embed streams.tsv
var streams string

// modified is the column by which tables that have it are read incrementally.
const modified = "MODIFIED_DATE"

// table is what is known of one of Xactly's tables before it is asked.
type table struct {
	name    string // maybe with its schema before a dot
	keys    []string
	date    string // replication key, "" for a full table
	columns []column
}

// column is one of a table.
type column struct {
	name string
	kind kind
}

type kind uint8

const (
	text kind = iota
	number
	integer
)

var kinds = map[string]kind{"s": text, "string": text, "text": text, "n": number, "number": number, "decimal": number, "i": integer, "integer": integer}

// known are the tables of streams.tsv with keys that tell their rows apart.
func known() []table {
	var out []table
	for line := range strings.Lines(streams) {
		field := strings.Split(strings.TrimSpace(line), "\t")
		if len(field) != 4 || strings.HasPrefix(line, "#") || field[0] == "stream" {
			continue
		}
		t := table{name: field[0], columns: columnsOf(field[3])}
		if field[1] != "-" {
			t.keys = t.unique(field[1])
		}
		if t.has(modified) {
			t.date = modified
		}
		out = append(out, t)
	}
	return out
}

// columnsOf reads NAME:n and NAME:s. Numbers that count or point are whole.
func columnsOf(list string) []column {
	var out []column
	for word := range strings.FieldsSeq(list) {
		name, k, _ := strings.Cut(word, ":")
		c := column{name, kinds[k]}
		if c.kind == number && (name == "ID" || name == "VERSION" || strings.HasSuffix(name, "_ID") || strings.HasSuffix(name, "BATCH_NUMBER")) {
			c.kind = integer
		}
		out = append(out, c)
	}
	return out
}

// unique is a key that loses no row, given the one that the original tap used:
// adjustments of a credit have an id of their own, and in a history OBJECT_ID
// and VERSION tell the versions of an entity apart.
func (t table) unique(original string) []string {
	if own := strings.ToUpper(strings.TrimPrefix(t.name, "xc_")) + "_ID"; own != original && t.has(own) {
		return []string{own}
	}
	keys := []string{original}
	if strings.HasSuffix(t.name, "_hist") {
		for _, name := range []string{"OBJECT_ID", "VERSION"} {
			if t.has(name) {
				keys = append(keys, name)
			}
		}
	}
	return keys
}

func (t table) has(name string) bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name })
}

func (t table) names() []string {
	var out []string
	for _, c := range t.columns {
		out = append(out, c.name)
	}
	return out
}

// stream is what the table's stream is called.
func (t table) stream() string { return strings.ReplaceAll(t.name, ".", "_") }

// given is an entry of the setting tables.
type given struct {
	Name    string   `json:"name"`
	Key     words    `json:"key"`
	Keys    words    `json:"keys"`
	Date    *string  `json:"replication_key"`
	Columns []string `json:"columns"`
}

// words is a list of strings; one alone will do.
type words []string

func (w *words) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*w = strings.FieldsFunc(one, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(w))
}

// plain are names that need no quotes: Connect's own language has no rule for others.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*$`) })

// apply changes a table, known or empty, as an entry says.
func (g given) apply(t table) (table, error) {
	t.name = g.Name
	for part := range strings.SplitSeq(g.Name, ".") {
		if !plain().MatchString(part) {
			return t, fault.New(fault.BadConfig, "tap-xactly: tables has %q, which is no name of a table", g.Name).WithHint("write it like xc_plan, or ovrd.plan with its schema")
		}
	}
	if len(g.Columns) > 0 {
		t.columns = nil
	}
	for _, word := range g.Columns {
		name, word, typed := strings.Cut(word, ":")
		k, ok := kinds[strings.ToLower(word)]
		if !plain().MatchString(name) || typed && !ok {
			return t, fault.New(fault.BadConfig, "tap-xactly: tables: %s: %q is no column", g.Name, name+":"+word).WithHint("write columns like PLAN_ID:integer, AMOUNT:number, NAME; a column without a type is text")
		}
		t.columns = append(t.columns, column{name, k})
	}
	if len(t.columns) == 0 {
		return t, fault.New(fault.BadConfig, "tap-xactly: stream %q: the setting tables does not name its columns", t.stream()).
			WithHint("the service sends rows without names, so list them in their order: {name: %s, keys: [...], columns: [PLAN_ID:integer, NAME, ...]}", g.Name)
	}
	if keys := slices.Concat(g.Keys, g.Key); len(keys) > 0 {
		t.keys = keys
	}
	if g.Date != nil {
		t.date = *g.Date
	} else if t.date == "" && t.has(modified) {
		t.date = modified
	}
	for _, name := range append(slices.Clone(t.keys), t.date) {
		if name != "" && !t.has(name) {
			e := fault.New(fault.BadConfig, "tap-xactly: tables: %s has no column %q, which is to be its key", g.Name, name)
			if near := fault.Nearest(name, t.names()); near != "" {
				e = e.WithHint("did you mean %q?", near)
			}
			return t, e
		}
	}
	return t, nil
}
