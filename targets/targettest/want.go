package targettest

import (
	"fmt"
	"strings"

	"elt/internal/row"
	"elt/internal/singer"
)

// Want is what a row must have in its columns.
type Want map[string]Value

// Value is an expected value, compared by what it means and not by how a
// destination spells it.
type Value struct {
	kind string
	text string
}

// Null, Text, Number, Bool, Instant and JSON are expected values. Any is any
// value but NULL.
var (
	Null = Value{kind: "null"}
	Any  = Value{kind: "any"}
)

func Text(s string) Value    { return Value{"text", s} }
func Number(s string) Value  { return Value{"number", s} }
func Instant(s string) Value { return Value{"instant", s} }
func JSON(s string) Value    { return Value{"json", s} }
func Bool(b bool) Value      { return Value{"bool", fmt.Sprint(b)} }

func (v Value) String() string { return v.kind + " " + v.text }

func (v Value) is(got *string) bool {
	if got == nil || v.kind == "null" {
		return got == nil && v.kind == "null"
	}
	switch v.kind {
	case "any":
		return true
	case "number":
		return plain(*got) == plain(v.text)
	case "bool":
		return map[string]string{"t": "true", "1": "true", "f": "false", "0": "false"}[*got] == v.text || strings.EqualFold(*got, v.text)
	case "instant":
		a, okA := row.ParseTimestamp([]byte(*got))
		b, okB := row.ParseTimestamp([]byte(v.text))
		return okA && okB && a.Sec == b.Sec && a.Nano == b.Nano
	case "json":
		return singer.EqualJSON([]byte(*got), []byte(v.text))
	}
	return *got == v.text
}

// plain is a decimal without an exponent and without zeros at its ends.
func plain(text string) string {
	field, ok := row.AppendNumeric(nil, []byte(text))
	if !ok {
		return "no number: " + text
	}
	out := string(row.AppendNumericText(nil, field))
	if strings.Contains(out, ".") {
		out = strings.TrimRight(strings.TrimRight(out, "0"), ".")
	}
	return out
}
