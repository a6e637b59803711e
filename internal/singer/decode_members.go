package singer

import (
	"bytes"

	"elt/internal/row"
)

// members calls visit with each member of the object in raw, in order; its
// value is raw[from:to]. key is valid during the call only.
func members(raw []byte, visit func(key []byte, from, to int) error) error {
	var odd []byte // a key with escapes, as text
	i := space(raw, 0)
	if peek(raw, i) != '{' {
		return broken(i, "it is no JSON object")
	}
	if i = space(raw, i+1); peek(raw, i) == '}' {
		return trailing(raw, i+1)
	}
	for {
		if peek(raw, i) != '"' {
			return broken(i, "a key is missing")
		}
		end, err := skip(raw, i)
		if err != nil {
			return err
		}
		key := raw[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			if odd, err = row.AppendJSONUnquoted(odd[:0], raw[i:end]); err != nil {
				return broken(i, err.Error())
			}
			key = odd
		}
		if i = space(raw, end); peek(raw, i) != ':' {
			return broken(i, "a colon is missing")
		}
		i = space(raw, i+1)
		if end, err = skip(raw, i); err != nil {
			return err
		}
		if err := visit(key, i, end); err != nil {
			return err
		}
		i = space(raw, end)
		switch peek(raw, i) {
		case ',':
			i = space(raw, i+1)
		case '}':
			return trailing(raw, i+1)
		default:
			return broken(i, "a comma or brace is missing")
		}
	}
}

// elements calls visit with each element raw[from:to] of the array in raw.
func elements(raw []byte, visit func(from, to int) error) error {
	i := space(raw, 0)
	if peek(raw, i) != '[' {
		return broken(i, "it is no JSON array")
	}
	if i = space(raw, i+1); peek(raw, i) == ']' {
		return trailing(raw, i+1)
	}
	for {
		end, err := skip(raw, i)
		if err != nil {
			return err
		}
		if err := visit(i, end); err != nil {
			return err
		}
		i = space(raw, end)
		switch peek(raw, i) {
		case ',':
			i = space(raw, i+1)
		case ']':
			return trailing(raw, i+1)
		default:
			return broken(i, "a comma or bracket is missing")
		}
	}
}

// trailing complains of anything but white space from raw[i] on.
func trailing(raw []byte, i int) error {
	if i = space(raw, i); i < len(raw) {
		return broken(i, "it goes on after its end")
	}
	return nil
}
