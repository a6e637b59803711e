package singer

import (
	"bytes"

	"elt/internal/row"
)

// MessageType is what a line is.
type MessageType uint8

const (
	NoMessage        MessageType = iota // no JSON object with a "type"
	OtherMessage                        // a type that nobody here knows
	RecordMessage                       // RECORD
	SchemaMessage                       // SCHEMA
	StateMessage                        // STATE
	ActivateMessage                     // ACTIVATE_VERSION
	BatchMessage                        // BATCH
	EndMessage                          // ELT_END: the runner says that the tap has finished well
	StreamEndMessage                    // ELT_STREAM_END: a tap of ours says that a stream is closed
	StopMessage                         // ELT_STOP: the runner says that a limit has ended the run at its last STATE
)

var messageNames = [...]string{"", "", "RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH", "ELT_END", "ELT_STREAM_END", "ELT_STOP"}

func (t MessageType) String() string { return messageNames[t] }

// EndLine is the line that ends a complete input.
const EndLine = `{"type":"ELT_END"}`

// StopLine is the line that ends an input which is good as far as it goes: up
// to its last STATE, and no stream is complete that did not say so.
const StopLine = `{"type":"ELT_STOP"}`

// Type finds the message type of a line without decoding or checking the
// rest. Upper and lower case are the same.
func Type(line []byte) MessageType {
	if name, ok := typeName(line); ok {
		return typeOf(name)
	}
	return NoMessage
}

func typeOf(name []byte) MessageType {
	switch string(name) {
	case "RECORD":
		return RecordMessage
	case "STATE":
		return StateMessage
	case "SCHEMA":
		return SchemaMessage
	}
	for t := RecordMessage; t <= StopMessage; t++ {
		if bytes.EqualFold(name, []byte(messageNames[t])) {
			return t
		}
	}
	return OtherMessage
}

// typeName is the value of the top-level "type".
func typeName(line []byte) (name []byte, ok bool) {
	if literal(line, 0, `{"type"`) {
		i := space(line, len(`{"type"`))
		if peek(line, i) == ':' {
			return stringAt(line, space(line, i+1))
		}
		return nil, false
	}
	i := space(line, 0)
	if peek(line, i) != '{' {
		return nil, false
	}
	for i = space(line, i+1); peek(line, i) == '"'; i = space(line, i+1) {
		key, ok := stringAt(line, i)
		if !ok {
			return nil, false
		}
		end, _ := scanString(line, i+1)
		if i = space(line, end+1); peek(line, i) != ':' {
			return nil, false
		}
		i = space(line, i+1)
		if string(key) == "type" {
			return stringAt(line, i)
		}
		if i = space(line, pass(line, i)); peek(line, i) != ',' {
			return nil, false
		}
	}
	return nil, false
}

// stringAt is the text of the string at line[i].
func stringAt(line []byte, i int) (text []byte, ok bool) {
	if peek(line, i) != '"' {
		return nil, false
	}
	end, flags := scanString(line, i+1)
	if end < 0 {
		return nil, false
	}
	if flags&strEscaped == 0 {
		return line[i+1 : end], true
	}
	text, err := row.AppendJSONUnquoted(nil, line[i:end+1])
	return text, err == nil
}

// pass is the index after the value at line[i], found by counting brackets.
func pass(line []byte, i int) int {
	depth := 0
	for i < len(line) {
		switch line[i] {
		case '"':
			end, _ := scanString(line, i+1)
			if end < 0 {
				return len(line)
			}
			i = end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// envelope is a message with its parts still as they stood in the line.
type envelope struct {
	kind      MessageType
	name      string // of an OtherMessage
	stream    string
	hasStream bool
	// Raw JSON values, nil when absent.
	record, schema, keys, bookmark, value, version, extracted, encoding, manifest, moved, complete, left []byte
	// prefix is the line up to the record when type and stream stood before it.
	prefix []byte
}

// parseEnvelope checks the whole line.
func parseEnvelope(line []byte) (m envelope, err error) {
	err = members(line, func(key []byte, from, to int) error {
		switch string(key) {
		case "type":
			name, ok := stringAt(line, from)
			if !ok || m.kind != NoMessage {
				return broken(from, "the type is no string, or comes twice")
			}
			if m.kind = typeOf(name); m.kind == OtherMessage {
				m.name = string(name)
			}
		case "stream":
			name, ok := stringAt(line, from)
			if !ok || m.hasStream {
				return broken(from, "the stream is no string, or comes twice")
			}
			m.stream, m.hasStream = string(name), true
		default:
			part := m.part(string(key))
			if part == nil {
				return nil
			}
			if *part != nil {
				return broken(from, string(key)+" comes twice")
			}
			*part = line[from:to]
			if string(key) == "record" && m.kind == RecordMessage && m.hasStream {
				m.prefix = line[:from]
			}
		}
		return nil
	})
	return m, err
}

// part is where the value of a key goes, nil for one that says nothing here.
func (m *envelope) part(key string) *[]byte {
	switch key {
	case "record":
		return &m.record
	case "schema":
		return &m.schema
	case "key_properties":
		return &m.keys
	case "bookmark_properties":
		return &m.bookmark
	case "value":
		return &m.value
	case "version":
		return &m.version
	case "time_extracted":
		return &m.extracted
	case "encoding":
		return &m.encoding
	case "manifest":
		return &m.manifest
	case eltMoved:
		return &m.moved
	case "complete":
		return &m.complete
	case "rejected":
		return &m.left
	}
	return nil
}
