package postgres

import (
	"bytes"
	"errors"

	"elt/internal/row"
)

// appendJSON appends a printed value as JSON.
type appendJSON func(dst, text []byte) ([]byte, error)

var errPrinted = errors.New("the log's text of an array, composite or hstore is malformed")

// jsonOfField goes by the field that the text stands for, as array_send's
// elements do.
func jsonOfField(c row.Column) appendJSON {
	field := fieldOf(c)
	var scratch []byte
	return func(dst, text []byte) (out []byte, err error) {
		if scratch, err = field(scratch[:0], text); err != nil {
			return dst, err
		}
		return row.AppendJSON(dst, &c, scratch), nil
	}
}

// toJSON prints a value as the server's to_json does.
func (db *database) toJSON(oid uint32) appendJSON {
	oid, _ = db.resolve(oid, -1)
	t := db.types[oid]
	switch t.send {
	case "boolsend":
		return func(dst, text []byte) ([]byte, error) {
			if string(text) == "t" {
				return append(dst, "true"...), nil
			}
			return append(dst, "false"...), nil
		}
	case "int2send", "int4send", "int8send", "float4send", "float8send", "numeric_send":
		return func(dst, text []byte) ([]byte, error) {
			if n := len(text); n > 0 && text[n-1]-'0' <= 9 { // NaN and Infinity end in letters
				return append(dst, text...), nil
			}
			return row.AppendJSONString(dst, text), nil
		}
	case "timestamp_send", "timestamptz_send":
		return isoTime(t.send == "timestamptz_send")
	case "json_send", "jsonb_send":
		return verbatim
	case "array_send":
		delimiter := byte(',')
		if db.types[t.elem].name == "box" {
			delimiter = ';'
		}
		return arrayOf(db.toJSON(t.elem), delimiter)
	case "record_send":
		return db.composite(oid)
	}
	if t.name == "hstore" {
		return hstore
	}
	return func(dst, text []byte) ([]byte, error) { return row.AppendJSONString(dst, text), nil }
}

// isoTime writes the T, and the minutes of the zone, which is UTC's.
func isoTime(zoned bool) appendJSON {
	return func(dst, text []byte) ([]byte, error) {
		dst = append(dst, '"')
		rest, era := bytes.CutSuffix(text, []byte(" BC"))
		for _, c := range rest {
			if c == ' ' {
				c = 'T'
			}
			dst = append(dst, c)
		}
		if zoned && bytes.HasSuffix(rest, []byte("+00")) {
			dst = append(dst, ":00"...)
		}
		if era {
			dst = append(dst, " BC"...)
		}
		return append(dst, '"'), nil
	}
}

// arrayOf reads {1,NULL,"b c"}, nested, perhaps after its bounds ([0:1]=).
func arrayOf(element appendJSON, delimiter byte) appendJSON {
	var item []byte
	return func(dst, text []byte) ([]byte, error) {
		if len(text) > 0 && text[0] == '[' {
			at := bytes.IndexByte(text, '=')
			text = text[at+1:]
		}
		depth, i := 0, 0
		for i < len(text) {
			switch c := text[i]; {
			case c == '{':
				depth++
				dst = append(dst, '[')
				i++
			case c == '}':
				depth--
				dst = append(dst, ']')
				i++
			case c == delimiter:
				dst = append(dst, ',')
				i++
			case depth == 0:
				return dst, errPrinted
			default:
				quoted := false
				if item, i, quoted = scanItem(item[:0], text, i, delimiter, '}'); i < 0 {
					return dst, errPrinted
				}
				if !quoted && string(item) == "NULL" {
					dst = append(dst, "null"...)
					continue
				}
				var err error
				if dst, err = element(dst, item); err != nil {
					return dst, err
				}
			}
		}
		if depth != 0 {
			return dst, errPrinted
		}
		return dst, nil
	}
}

// scanItem reads an item of an array or composite at i: up to the delimiter
// or the end, with quotes and backslashes taken away. The index is -1 when
// neither comes.
func scanItem(dst, text []byte, i int, delimiter, end byte) (item []byte, next int, quoted bool) {
	inside := false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			dst = append(dst, text[i])
		case c == '"' && inside && i+1 < len(text) && text[i+1] == '"': // a composite doubles them
			i++
			dst = append(dst, '"')
		case c == '"':
			inside, quoted = !inside, true
		case !inside && (c == delimiter || c == end):
			return dst, i, quoted
		default:
			dst = append(dst, c)
		}
	}
	return dst, -1, quoted
}

// composite reads (1,"b c",), where nothing between commas is NULL.
func (db *database) composite(oid uint32) appendJSON {
	type member struct {
		key   []byte
		write appendJSON
	}
	var members []member
	for _, a := range db.attributes[oid] {
		members = append(members, member{append(row.AppendJSONString(nil, []byte(a.name)), ':'), db.toJSON(a.typ)})
	}
	return func(dst, text []byte) ([]byte, error) {
		if len(text) < 2 || text[0] != '(' || len(members) == 0 {
			return dst, errPrinted
		}
		var item []byte
		dst = append(dst, '{')
		i := 1
		for n, m := range members {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, m.key...)
			quoted := false
			if item, i, quoted = scanItem(item[:0], text, i, ',', ')'); i < 0 {
				return dst, errPrinted
			}
			i++
			if len(item) == 0 && !quoted {
				dst = append(dst, "null"...)
				continue
			}
			var err error
			if dst, err = m.write(dst, item); err != nil {
				return dst, err
			}
		}
		if i != len(text) {
			return dst, errPrinted
		}
		return append(dst, '}'), nil
	}
}

// hstore reads "a"=>"1", "b"=>NULL, and writes it as hstore_to_json does.
func hstore(dst, text []byte) ([]byte, error) {
	dst = append(dst, '{')
	var item []byte
	quotedText := func(i int) (int, bool) {
		if i >= len(text) || text[i] != '"' {
			return i, false
		}
		item = item[:0]
		for i++; i < len(text); i++ {
			switch {
			case text[i] == '\\' && i+1 < len(text):
				i++
				item = append(item, text[i])
			case text[i] == '"':
				return i + 1, true
			default:
				item = append(item, text[i])
			}
		}
		return i, false
	}
	for i := 0; i < len(text); {
		if i > 0 {
			if !bytes.HasPrefix(text[i:], []byte(", ")) {
				return dst, errPrinted
			}
			dst = append(dst, ", "...)
			i += 2
		}
		var ok bool
		if i, ok = quotedText(i); !ok || !bytes.HasPrefix(text[i:], []byte("=>")) {
			return dst, errPrinted
		}
		dst = append(row.AppendJSONString(dst, item), ": "...)
		i += 2
		if bytes.HasPrefix(text[i:], []byte("NULL")) {
			dst = append(dst, "null"...)
			i += 4
			continue
		}
		if i, ok = quotedText(i); !ok {
			return dst, errPrinted
		}
		dst = row.AppendJSONString(dst, item)
	}
	return append(dst, '}'), nil
}
