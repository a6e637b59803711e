package singer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"elt/internal/row"
)

// Marks is a state value in its parts, for whoever changes it one stream at a
// time: a change costs as much as its own text, however many streams there
// are, and the whole is put together when it is asked for. Not safe for
// concurrent use.
type Marks struct {
	others  object // of the top level, apart from the bookmarks, sorted
	streams []mark // sorted by name
	size    int    // bytes of the streams' texts
	err     error  // the value it began with has no streams
}

// mark is one stream's position.
type mark struct {
	stream string
	text   []byte // "stream":{…}
	from   int    // where in text the value begins
}

// NewMarks takes a state value apart. One that is no object of bookmarks is
// the error of every later Set.
func NewMarks(b Bookmarks) *Marks {
	m := &Marks{}
	if b.IsZero() {
		return m
	}
	var whole, streams map[string]json.RawMessage
	if err := json.Unmarshal(b.raw, &whole); err != nil {
		m.err = fmt.Errorf("the state value is no JSON object: %w", err)
		return m
	}
	if old := whole["bookmarks"]; old != nil {
		if err := json.Unmarshal(old, &streams); err != nil {
			m.err = fmt.Errorf("\"bookmarks\" of the state value is no JSON object: %w", err)
			return m
		}
	}
	delete(whole, "bookmarks")
	delete(whole, "currently_syncing") // was true of the run before
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		var b bytes.Buffer
		m.err = cmp.Or(m.err, json.Compact(&b, whole[key]))
		m.others.set(key, b.Bytes())
	}
	for _, stream := range slices.Sorted(maps.Keys(streams)) {
		m.Set(stream, streams[stream]) // it was read as JSON just now
	}
	return m
}

// Set replaces the position of a stream; nil removes it.
func (m *Marks) Set(stream string, value json.RawMessage) error {
	if m.err != nil {
		return m.err
	}
	at, there := slices.BinarySearchFunc(m.streams, stream, func(k mark, name string) int { return cmp.Compare(k.stream, name) })
	if there {
		m.size -= len(m.streams[at].text)
	}
	if value == nil {
		if there {
			m.streams = slices.Delete(m.streams, at, at+1)
		}
		return nil
	}
	text := append(row.AppendJSONString(nil, []byte(stream)), ':')
	from := len(text)
	b := bytes.NewBuffer(text)
	if err := json.Compact(b, value); err != nil {
		return fmt.Errorf("the position of stream %q: %w", stream, err)
	}
	if !there {
		m.streams = slices.Insert(m.streams, at, mark{stream: stream})
	}
	m.streams[at].text, m.streams[at].from = b.Bytes(), from
	m.size += b.Len()
	return nil
}

// Stream is the position of a stream, nil when there is none.
func (m *Marks) Stream(stream string) json.RawMessage {
	at, there := slices.BinarySearchFunc(m.streams, stream, func(k mark, name string) int { return cmp.Compare(k.stream, name) })
	if !there {
		return nil
	}
	return m.streams[at].text[m.streams[at].from:]
}

// Size is about how many bytes the value has.
func (m *Marks) Size() int { return m.size + len(m.streams) + len(m.others)*64 }

// Raw is the whole value.
func (m *Marks) Raw() json.RawMessage {
	i := 0 // where among the others the bookmarks stand
	for i < len(m.others) && m.others[i].key < "bookmarks" {
		i++
	}
	return slices.Insert(slices.Clone(m.others), i, member{"bookmarks", m.bookmarks()}).bytes()
}

func (m *Marks) bookmarks() json.RawMessage {
	dst := append(make([]byte, 0, m.size+len(m.streams)+2), '{')
	for i, k := range m.streams {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, k.text...)
	}
	return append(dst, '}')
}
