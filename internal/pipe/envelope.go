package pipe

import (
	"bytes"
	"encoding/json"
	"strings"
)

// envelope finds the top-level "type" and "stream" of one JSON object without
// decoding anything else. It can be fed a line in pieces.
type envelope struct {
	typ, stream member
	dead        bool // this is no JSON object

	depth   int
	quoted  bool // inside a string
	escaped bool // after a backslash in it
	value   bool // at the top level, after a colon
	keep    bool // the string under way is a key or a wanted value
	want    *member
	text    []byte // the string under way
}

// member is a wanted member: the raw text between its value's quotes.
type member struct {
	text  []byte
	found bool
}

// maxName bounds what is kept of a key or a stream's name.
const maxName = 4096

func (e *envelope) reset() {
	*e = envelope{typ: member{text: e.typ.text[:0]}, stream: member{text: e.stream.text[:0]}, text: e.text[:0]}
}

// found says that the rest of the line need not be read.
func (e *envelope) found() bool { return e.typ.found && e.stream.found || e.dead }

// is says that a message has this type.
func (e *envelope) is(typ string) bool { return strings.EqualFold(string(e.typ.text), typ) }

// feed reads the next piece and returns how much of it was needed.
func (e *envelope) feed(b []byte) int {
	for i := 0; i < len(b); i++ {
		if e.quoted {
			i = e.inString(b, i)
			if e.found() {
				return min(i+1, len(b))
			}
			continue
		}
		switch c := b[i]; c {
		case '"':
			e.quoted, e.keep, e.text = true, e.depth == 1 && (!e.value || e.want != nil), e.text[:0]
		case '{', '[':
			if e.depth == 0 && c == '[' {
				e.dead = true
				return i
			}
			e.depth++
			if e.depth == 2 {
				e.want = nil // "type": {…} is no type
			}
		case '}', ']':
			e.depth--
			if e.depth == 0 {
				return len(b)
			}
		case ',':
			if e.depth == 1 {
				e.value, e.want = false, nil
			}
		case ':':
			if e.depth == 1 {
				e.value = true
			}
		default:
			if e.depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n' {
				e.dead = true
				return i
			}
		}
	}
	return len(b)
}

// inString goes on in a string at b[i] and returns the index of its closing
// quote, or len(b).
func (e *envelope) inString(b []byte, i int) int {
	for i < len(b) {
		if e.escaped {
			e.escaped = false
			e.add(b[i : i+1])
			i++
			continue
		}
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			n = len(b) - i
		}
		if esc := bytes.IndexByte(b[i:i+n], '\\'); esc >= 0 {
			e.add(b[i : i+esc+1])
			e.escaped = true
			i += esc + 1
			continue
		}
		e.add(b[i : i+n])
		i += n
		if i < len(b) {
			e.quoted = false
			e.closeString()
			return i
		}
	}
	return i
}

func (e *envelope) add(b []byte) {
	if e.keep && len(e.text)+len(b) <= maxName {
		e.text = append(e.text, b...)
	}
}

func (e *envelope) closeString() {
	switch {
	case !e.keep:
	case e.value:
		e.want.text, e.want.found = append(e.want.text[:0], e.text...), true
		e.want = nil
	case string(e.text) == "type":
		e.want = &e.typ
	case string(e.text) == "stream":
		e.want = &e.stream
	}
}

// unquote gives a JSON string's value from the text between its quotes.
func unquote(text []byte) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text)
	}
	var s string
	if json.Unmarshal(append(append([]byte{'"'}, text...), '"'), &s) != nil {
		return string(text)
	}
	return s
}
