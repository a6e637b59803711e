package httpapi

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"elt/internal/fault"
	"elt/internal/row"
)

// CSV calls visit with each line of CSV text after the header, as a JSON
// object; cell makes a value of a field. Quoted newlines are part of a field.
func CSV(in io.Reader, comma rune, cell func(dst []byte, column, text string) []byte, visit func(record []byte) error) error {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	r.Comma = comma
	first, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.BadInput, err, "the CSV text has no header")
	}
	header := make([]string, len(first))
	names := make([][]byte, len(first))
	for n, name := range first {
		if n == 0 {
			name = trimBOM(name)
		}
		header[n], names[n] = name, row.AppendJSONString(nil, []byte(name))
	}
	var record []byte
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.BadInput, err, "the CSV text is broken")
		}
		record = append(record[:0], '{')
		for n, text := range fields {
			if n > 0 {
				record = append(record, ',')
			}
			record = append(append(record, names[n]...), ':')
			record = cell(record, header[n], text)
		}
		if err := visit(append(record, '}')); err != nil {
			return err
		}
	}
}

func trimBOM(s string) string {
	if len(s) >= 3 && s[:3] == "\ufeff" {
		return s[3:]
	}
	return s
}

// StringCell keeps a field as it stands.
func StringCell(dst []byte, _, text string) []byte { return row.AppendJSONString(dst, []byte(text)) }

// Lines calls visit with each JSON text of a sequence, as in NDJSON.
func Lines(in io.Reader, visit func(record []byte) error) error {
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var record json.RawMessage
		if err := d.Decode(&record); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fault.Wrap(fault.BadInput, err, "record %d is no JSON", n)
		}
		if err := visit(record); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
}
