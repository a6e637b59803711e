package singer

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// object is a JSON object whose members keep their order and their text.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

var errNoObject = errors.New("is no JSON object")

// parseObject reads an object; of a key that comes twice the last value
// counts, as everywhere.
func parseObject(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	var o object
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		o.set(key.(string), value)
	}
	_, err := d.Token()
	return o, err
}

func (o object) get(key string) json.RawMessage {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// set replaces a member or appends a new one.
func (o *object) set(key string, value json.RawMessage) {
	for i, m := range *o {
		if m.key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// put is set for a value that is not JSON yet.
func (o *object) put(key string, value any) error {
	raw, err := marshal(value)
	if err == nil {
		o.set(key, raw)
	}
	return err
}

// keep appends the members of m that o has not, sorted.
func (o *object) keep(m map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if o.get(key) == nil {
			o.set(key, m[key])
		}
	}
}

func (o object) bytes() []byte {
	dst := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, _ := marshal(m.key)
		dst = append(append(append(dst, key...), ':'), m.value...)
	}
	return append(dst, '}')
}

// marshal is json.Marshal that leaves <, > and & alone.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

func marshalIndent(v any) ([]byte, error) {
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, raw, "", "  ")
	return b.Bytes(), err
}

// decodeExact decodes with numbers as json.Number.
func decodeExact(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}
