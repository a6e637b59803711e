package sqltarget

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// cast is the SQL that turns the text expression v into a value of c, a
// column whose type is none of ours. What a tap sends as JSON (an array, an
// hstore, a composite) becomes the type's own form; other text is that already.
func cast(c Column, v string) string {
	plain := v + "::" + c.Type
	element, array := strings.CutSuffix(c.Type, "[]")
	switch {
	case array && element == "bytea": // base64 in JSON
		return "case when " + v + " like '[%' then array(select decode(e, 'base64') from jsonb_array_elements_text(" + v + "::jsonb) as e) else " + plain + " end"
	case array:
		elements := "array(select jsonb_array_elements_text(" + v + "::jsonb))::" + c.Type
		if bracketless(element) { // several dimensions
			elements = "case when " + v + " like '[[%' then translate(" + v + ", '[]', '{}')::" + c.Type + " else " + elements + " end"
		}
		return "case when " + v + " like '[%' then " + elements + " else " + plain + " end"
	case c.Type == "hstore" || strings.HasSuffix(c.Type, ".hstore"):
		members := " from jsonb_each_text(" + v + "::jsonb) order by key)"
		return "case when " + v + " like '{%' then " + c.Type + "(array(select key" + members + ", array(select value" + members + ") else " + plain + " end"
	case c.Composite:
		return "case when " + v + " like '{%' then jsonb_populate_record(null::" + c.Type + ", " + v + "::jsonb) else " + plain + " end"
	}
	return plain
}

var modifier = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\([0-9,]+\)`) })

// bracketless says that no value of the type, a modifier aside, has a bracket
// in its text, so that brackets can only be an array's.
func bracketless(sqlType string) bool {
	return slices.Contains([]string{"smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "uuid", "date",
		"timestamp without time zone", "timestamp with time zone", "time without time zone"}, modifier().ReplaceAllString(sqlType, ""))
}
