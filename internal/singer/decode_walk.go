package singer

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// maxDepth is how deep values may nest, as in encoding/json.
const maxDepth = 10000

// fixes are the repairs of a value that a user is told of.
type fixes uint8

const (
	fixedUTF8 fixes = 1 << iota // no UTF-8, or half of a surrogate pair: U+FFFD
	fixedNUL                    // \u0000: U+FFFD
	fixedNaN                    // NaN or an infinity: null
)

// walker checks JSON values and, unless it is mute, copies them in compact
// form: numbers keep their digits, what no server takes is repaired.
type walker struct {
	line  []byte
	dst   []byte
	from  int // line[from:] up to the current byte is not yet in dst
	mute  bool
	nul   NULPolicy
	fixed fixes
	keys  [][]byte // the keys of the objects that are open
}

// skip returns the end of the value at line[i].
func skip(line []byte, i int) (int, error) {
	w := walker{line: line, mute: true}
	return w.value(i, 0)
}

// copy appends the value at line[i] to dst and returns its end.
func (w *walker) copy(dst, line []byte, i int) ([]byte, int, error) {
	w.line, w.dst, w.from, w.fixed, w.keys = line, dst, i, 0, w.keys[:0]
	end, err := w.value(i, 0)
	if err == nil {
		w.flush(end)
	}
	dst, w.dst, w.line = w.dst, nil, nil
	return dst, end, err
}

// flush copies up to line[to]; what the caller then skips is left out.
func (w *walker) flush(to int) {
	if !w.mute && to > w.from {
		w.dst = append(w.dst, w.line[w.from:to]...)
	}
	w.from = to
}

func (w *walker) space(i int) int {
	if i < len(w.line) && w.line[i] > ' ' {
		return i
	}
	end := space(w.line, i)
	if end > i {
		w.flush(i)
		w.from = end
	}
	return end
}

func (w *walker) value(i, depth int) (int, error) {
	switch c := peek(w.line, i); c {
	case '"':
		return w.str(i)
	case '{', '[':
		if depth == maxDepth {
			return i, broken(i, "it nests too deeply")
		}
		if c == '{' {
			return w.object(i, depth)
		}
		return w.array(i, depth)
	case 't':
		return w.word(i, "true")
	case 'f':
		return w.word(i, "false")
	case 'n':
		return w.word(i, "null")
	default:
		if end := scanNumber(w.line, i); end >= 0 {
			return end, nil
		}
		if n := special(w.line, i); n > 0 {
			w.replace(i, i+n, "null", fixedNaN)
			return i + n, nil
		}
		if i >= len(w.line) {
			return i, broken(i, "it ends in the middle")
		}
		return i, broken(i, "a value is missing")
	}
}

func (w *walker) word(i int, word string) (int, error) {
	if !literal(w.line, i, word) {
		return i, broken(i, "a value is missing")
	}
	return i + len(word), nil
}

// replace puts text for line[i:end].
func (w *walker) replace(i, end int, text string, why fixes) {
	w.flush(i)
	w.from = end
	w.fixed |= why
	if !w.mute {
		w.dst = append(w.dst, text...)
	}
}

func (w *walker) array(i, depth int) (int, error) {
	i = w.space(i + 1)
	if peek(w.line, i) == ']' {
		return i + 1, nil
	}
	for {
		var err error
		if i, err = w.value(i, depth+1); err != nil {
			return i, err
		}
		i = w.space(i)
		switch peek(w.line, i) {
		case ',':
			i = w.space(i + 1)
		case ']':
			return i + 1, nil
		default:
			return i, broken(i, "a comma or bracket is missing")
		}
	}
}

func (w *walker) object(i, depth int) (int, error) {
	base := len(w.keys)
	i = w.space(i + 1)
	if peek(w.line, i) == '}' {
		return i + 1, nil
	}
	for {
		if peek(w.line, i) != '"' {
			return i, broken(i, "a key is missing")
		}
		end, err := w.str(i)
		if err != nil {
			return i, err
		}
		if !w.mute {
			w.keys = append(w.keys, w.line[i:end])
		}
		if i = w.space(end); peek(w.line, i) != ':' {
			return i, broken(i, "a colon is missing")
		}
		if i, err = w.value(w.space(i+1), depth+1); err != nil {
			return i, err
		}
		i = w.space(i)
		switch peek(w.line, i) {
		case ',':
			i = w.space(i + 1)
		case '}':
			if repeats(w.keys[base:]) {
				return i, &flaw{at: i, text: "an object in it has the same key twice"}
			}
			w.keys = w.keys[:base]
			return i + 1, nil
		default:
			return i, broken(i, "a comma or brace is missing")
		}
	}
}

// repeats says whether a key occurs twice; it may reorder keys.
func repeats(keys [][]byte) bool {
	if len(keys) > 8 {
		slices.SortFunc(keys, bytes.Compare)
		for n := 1; n < len(keys); n++ {
			if bytes.Equal(keys[n-1], keys[n]) {
				return true
			}
		}
		return false
	}
	for n, k := range keys {
		for _, o := range keys[:n] {
			if bytes.Equal(k, o) {
				return true
			}
		}
	}
	return false
}

// str returns the index after the string at line[i].
func (w *walker) str(i int) (int, error) {
	end, flags := scanString(w.line, i+1)
	if end < 0 {
		return i, broken(i, "a string does not end or holds a control character")
	}
	if flags&strEscaped != 0 {
		if err := w.escapes(i+1, end); err != nil {
			return i, err
		}
	}
	if flags&strHigh != 0 && !w.mute && !utf8.Valid(w.line[i+1:end]) {
		w.flush(i)
		w.from = end
		for n := i; n < end; {
			r, size := utf8.DecodeRune(w.line[n:end])
			w.dst = utf8.AppendRune(w.dst, r)
			n += size
		}
		w.fixed |= fixedUTF8
	}
	return end + 1, nil
}

// escapes checks the escapes of the string content line[i:end].
func (w *walker) escapes(i, end int) error {
	for i < end {
		n := bytes.IndexByte(w.line[i:end], '\\')
		if n < 0 {
			return nil
		}
		i += n
		switch w.line[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			r, ok := hex4(w.line[i+2 : end])
			if !ok {
				return broken(i, "a broken escape in a string")
			}
			switch {
			case r == 0 && w.nul == NULReplace:
				w.replace(i, i+6, `\ufffd`, fixedNUL)
			case r == 0 && w.nul == NULFail && !w.mute:
				return &flaw{at: i, text: "holds a NUL character"}
			case r >= 0xd800 && r < 0xdc00 && literal(w.line[:end], i+6, `\u`):
				if low, ok := hex4(w.line[i+8 : end]); ok && low >= 0xdc00 && low < 0xe000 {
					i += 6
					break
				}
				fallthrough
			case r >= 0xd800 && r < 0xe000:
				w.replace(i, i+6, `\ufffd`, fixedUTF8)
			}
			i += 6
		default:
			return broken(i, "a broken escape in a string")
		}
	}
	return nil
}
