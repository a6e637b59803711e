package rest

import (
	"bytes"
	"slices"
	"strings"

	"elt/internal/row"
	"elt/internal/singer"
)

// rawMember is the property with the whole record, as tap-rest-api-msdk calls it.
const rawMember = "_sdc_raw_json"

// flattener makes properties of nested objects properties of the record, in
// the manner of tap-rest-api-msdk: names joined by _, dots and dashes in them
// become _, lists and what except_keys names become JSON texts.
type flattener struct {
	flatten, raw bool
	except       []string
	out          []byte
}

func newFlattener(src *source) *flattener {
	return &flattener{flatten: *src.Flatten, raw: src.raw, except: src.Except}
}

var plainName = strings.NewReplacer("-", "_", ".", "_")

// record is good until the next call.
func (f *flattener) record(record []byte) ([]byte, error) {
	record = bytes.TrimSpace(record)
	if len(record) == 0 || record[0] != '{' {
		return record, nil // Look will say so
	}
	f.out = append(f.out[:0], '{')
	if f.flatten {
		if err := f.object("", record); err != nil {
			return nil, err
		}
	} else {
		f.out = append(f.out, bytes.TrimSpace(record[1:len(record)-1])...)
	}
	if f.raw {
		f.member(rawMember)
		f.out = append(f.out, record...)
	}
	return append(f.out, '}'), nil
}

func (f *flattener) member(name string) {
	if len(f.out) > 1 {
		f.out = append(f.out, ',')
	}
	f.out = append(row.AppendJSONString(f.out, []byte(name)), ':')
}

func (f *flattener) object(prefix string, object []byte) error {
	return singer.EachMember(object, func(key string, value []byte) error {
		name := prefix + key
		if value[0] == '{' && !slices.Contains(f.except, name) {
			return f.object(name+"_", value)
		}
		f.member(plainName.Replace(name))
		if value[0] == '[' || slices.Contains(f.except, name) {
			f.out = row.AppendJSONString(f.out, value)
		} else {
			f.out = append(f.out, value...)
		}
		return nil
	})
}
