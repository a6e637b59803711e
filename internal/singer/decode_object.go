package singer

import (
	"bytes"

	"elt/internal/row"
)

// object reads the object at line[i], whose keys are k, and returns the index
// after it.
func (d *decoder) object(k *keys, i int) (int, error) {
	line := d.line
	if peek(line, i) != '{' {
		return i, &flaw{at: i, text: "the record is no JSON object"}
	}
	i++
	g := 0 // where in the order the next key is guessed
	for first := true; ; first = false {
		var n int
		if g < len(k.order) && k.order[g].first == first && literal(line, i, k.order[g].text) {
			o := &k.order[g]
			if i += len(o.text); i < len(line) && line[i] <= ' ' {
				i = space(line, i) // written in another style than before
			}
			g++
			if n = o.slot; d.direct && k.slots[n].column == d.next { // the usual case
				d.next++
				var err error
				if i, err = d.value(&d.columns[d.next-1], i); err != nil {
					return i, err
				}
				continue
			}
		} else {
			key, from, err := d.key(i, first)
			if err != nil || key == nil {
				return from, err
			}
			n = d.find(k, key)
			switch {
			case n < 0: // one of too many unknown keys
			case k.at[n] < 0:
				k.learn(n, g, line[i:from], first)
				g++
			default:
				g = k.at[n] + 1
			}
			i = from
		}
		var err error
		if i, err = d.member(k, n, i); err != nil {
			return i, err
		}
	}
}

// key reads from the end of a value (or from the brace) to the beginning of
// the next one. A nil key is the end of the object.
func (d *decoder) key(i int, first bool) (key []byte, value int, err error) {
	line := d.line
	i = space(line, i)
	switch c := peek(line, i); {
	case c == '}':
		return nil, i + 1, nil
	case c == ',' && !first:
		i = space(line, i+1)
	case !first:
		return nil, i, broken(i, "a comma or brace is missing")
	}
	if peek(line, i) != '"' {
		return nil, i, broken(i, "a key is missing")
	}
	end, flags := scanString(line, i+1)
	if end < 0 {
		return nil, i, broken(i, "a key does not end")
	}
	key = line[i+1 : end]
	if flags&strEscaped != 0 {
		if d.text, err = row.AppendJSONUnquoted(d.text[:0], line[i:end+1]); err != nil {
			return nil, i, broken(i, "a broken escape in a key")
		}
		key = d.text
	}
	if key == nil {
		key = line[i+1 : i+1]
	}
	if i = space(line, end+1); peek(line, i) != ':' {
		return nil, i, broken(i, "a colon is missing")
	}
	return key, space(line, i+1), nil
}

// find is the slot of a key, a new one for a property that the schema has
// not; -1 when there are too many of those.
func (d *decoder) find(k *keys, key []byte) int {
	if n, ok := k.byName[string(key)]; ok {
		return n
	}
	if len(k.slots) > len(d.columns)+mostUnknown {
		return -1
	}
	return k.add(string(bytes.ToValidUTF8(key, []byte("\ufffd"))), slot{column: unknownSlot})
}

// member reads the value at line[i], of the property in slot n.
func (d *decoder) member(k *keys, n, i int) (int, error) {
	if n < 0 {
		return skip(d.line, i)
	}
	s := &k.slots[n]
	switch {
	case s.column >= 0:
		return d.field(&d.columns[s.column], i)
	case s.column == groupSlot:
		if literal(d.line, i, "null") {
			return i + len("null"), nil
		}
		if peek(d.line, i) != '{' {
			return i, &flaw{at: i, text: "property " + quoted(k.names[n]) + " is no object, so it cannot be flattened"}
		}
		return d.object(s.inner, i)
	}
	end, err := skip(d.line, i)
	if err != nil || k.names[n] == DeletedAt && literal(d.line, i, "null") {
		return end, err
	}
	if k == d.root && k.names[n] == DeletedAt {
		// A delete must not become an upsert: the schema gets the marker.
		d.misfit.column = -1
		return i, errMisfit
	}
	if !s.noted {
		s.noted = true
		d.note(k.names[n], noticeUnknown)
	}
	return end, nil
}

// field reads the value of column c at line[i].
func (d *decoder) field(c *column, i int) (end int, err error) {
	if d.direct {
		if c.index != d.next {
			if c.index < d.next {
				return i, errOrder
			}
			if err := d.fill(c.index, i); err != nil {
				return i, err
			}
		}
		d.next++
		return d.value(c, i)
	}
	s := &d.spans[c.index]
	if s.round == d.round {
		return i, &flaw{at: i, text: "property " + quoted(c.Name) + " comes twice"}
	}
	from := len(d.dst)
	end, err = d.value(c, i)
	*s = span{from, len(d.dst), d.round}
	return end, err
}
