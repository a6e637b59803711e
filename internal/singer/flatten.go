package singer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"elt/internal/row"
)

// Flatten makes columns of the properties of nested objects, with the names
// that the Meltano SDK and PipelineWise give them. The zero value leaves
// objects as JSON.
type Flatten struct {
	MaxLevel     int    // how many levels of objects are taken apart; 0: none
	Separator    string // between the names; "" means "__"
	MaxKeyLength int    // names this long have their parents abbreviated; 0 means 255
}

// name joins the keys on the way to a property. While the result is too long
// one key after the other is cut to its initials, as both families do.
func (f Flatten) name(path []string) string {
	sep, limit := f.Separator, f.MaxKeyLength
	if sep == "" {
		sep = "__"
	}
	if limit <= 0 {
		limit = 255
	}
	parts := append([]string(nil), path...)
	for n := range parts {
		if utf8.RuneCountInString(strings.Join(parts, sep)) < limit {
			break
		}
		parts[n] = abbreviated(parts[n])
	}
	return strings.Join(parts, sep)
}

// abbreviated is what remains of the camel-cased key without its lower-case
// letters a to z, or its first three characters when that is only one.
func abbreviated(key string) string {
	var rest []rune
	up := true
	for n, r := range key {
		if r == '_' && !up && n+1 < len(key) {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		up = false
		if r < 'a' || r > 'z' {
			rest = append(rest, r)
		}
	}
	if len(rest) < 2 {
		rest = []rune(key)
		rest = rest[:min(3, len(rest))]
	}
	return strings.ToLower(string(rest))
}

// layout is the columns of a stream and where in a record they stand.
type layout struct {
	columns []row.Column
	root    *keys
	hex     map[string]bool // columns of bytes that come as base16
	plain   map[string]bool // columns whose schema allows any string
	text    map[string]bool // columns of JSON that come as strings (EltText)
}

func (l *layout) has(name string) bool {
	return slices.ContainsFunc(l.columns, func(c row.Column) bool { return c.Name == name })
}

// add appends a column of the top level.
func (l *layout) add(c row.Column) {
	l.root.add(c.Name, slot{column: len(l.columns)})
	l.columns = append(l.columns, c)
}

// lay lays out the properties of an object.
func (j *jsonSchema) lay(props []property, key []string, f Flatten) (layout, error) {
	l := layout{root: newKeys(), hex: map[string]bool{}, plain: map[string]bool{}, text: map[string]bool{}}
	err := j.layInto(&l, l.root, props, nil, key, f, nil)
	return l, err
}

// layInto lays out an object at path; seen are the references that led to it,
// since one that contains itself ends as JSON.
func (j *jsonSchema) layInto(l *layout, at *keys, props []property, path, key []string, f Flatten, seen []string) error {
	for _, p := range props {
		path := append(path[:len(path):len(path)], p.name)
		name := p.name
		if f.MaxLevel > 0 {
			name = f.name(path)
		}
		c, s := j.column(name, p.raw, slices.Contains(key, name), seen)
		if len(s.properties) > 0 && len(path) <= f.MaxLevel && !s.declared && s.types&^(typeObject|typeNull) == 0 {
			inner := newKeys()
			at.add(p.name, slot{column: groupSlot, inner: inner})
			if err := j.layInto(l, inner, s.properties, path, key, f, append(slices.Clip(seen), s.refs...)); err != nil {
				return err
			}
			continue
		}
		if l.has(name) {
			return &flaw{text: "two properties make a column called " + quoted(name) + "; choose another flattening separator"}
		}
		l.hex[name] = c.Kind == row.Bytes && !s.declared
		l.plain[name] = slices.ContainsFunc(s.columns, func(c row.Column) bool { return c.Kind == row.Text })
		l.text[name] = s.text
		at.add(p.name, slot{column: len(l.columns)})
		l.columns = append(l.columns, c)
	}
	return nil
}
