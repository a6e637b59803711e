package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// decodeJSON reads one JSON value with the order of its keys and all digits
// of its numbers.
func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		m := NewMap()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			m.Set(key.(string), v)
		}
		_, err := d.Token()
		return m, err
	}
	return t, nil
}

// pythonJSON writes a value the way Python's json.dumps does (", " and ": ",
// everything beyond ASCII escaped): scripts compare these texts.
func pythonJSON(v any) string {
	var b bytes.Buffer
	writePython(&b, v)
	return b.String()
}

func writePython(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	case json.Number:
		b.WriteString(pythonNumber(v))
	case string:
		writePythonString(b, v)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writePython(b, item)
		}
		b.WriteByte(']')
	case *Map:
		b.WriteByte('{')
		sep := ""
		for k, item := range v.All() {
			b.WriteString(sep)
			writePythonString(b, k)
			b.WriteString(": ")
			writePython(b, item)
			sep = ", "
		}
		b.WriteByte('}')
	}
}

func writePythonString(b *bytes.Buffer, s string) {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string: cannot fail
	for _, r := range strings.TrimSuffix(quoted.String(), "\n") {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
}

// fromPlain makes a node of a value that has no place of its own.
func fromPlain(src *source, v any) *node {
	n := &node{src: src, size: 1}
	switch v := v.(type) {
	case *Map:
		n.isMap = true
		for k, item := range v.All() {
			n.entries = append(n.entries, entry{key: k, value: fromPlain(src, item)})
		}
	case []any:
		n.isList = true
		for _, item := range v {
			n.items = append(n.items, fromPlain(src, item))
		}
	default:
		n.scalar = v
	}
	return n
}

// pythonNumber writes a float as Python does (1e3 is 1000.0), unless that
// would lose digits.
func pythonNumber(n json.Number) string {
	text := n.String()
	if !strings.ContainsAny(text, ".eE") || len(text) > 32 {
		return text
	}
	f, err := n.Float64()
	if err != nil {
		return text
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	short := strconv.FormatFloat(f, format, -1, 64)
	if format == 'f' && !strings.Contains(short, ".") {
		short += ".0"
	}
	exact, ok := new(big.Rat).SetString(text)
	again, ok2 := new(big.Rat).SetString(short)
	if !ok || !ok2 || exact.Cmp(again) != 0 {
		return text
	}
	return short
}
