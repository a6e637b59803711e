package edcast

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
)

// answer reads the answer to a query and calls visit with each row. said is
// how many rows the answer itself says it has, 0 when it does not.
func answer(in io.Reader, visit func([]column, []json.RawMessage) error) (said int, err error) {
	d := json.NewDecoder(in)
	wrong := func(err error) error { return fault.Wrap(fault.BadInput, err, "the answer is no JSON object") }
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return 0, wrong(err)
	}
	var columns []column
	rows := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return 0, wrong(err)
		}
		switch key {
		case "columns":
			var names []string
			if err := d.Decode(&names); err != nil {
				return 0, wrong(err)
			}
			for _, n := range names {
				columns = append(columns, column{name: n, json: row.AppendJSONString(nil, []byte(n))})
			}
		case "metadata":
			var types []struct{ Type string }
			if err := d.Decode(&types); err != nil {
				return 0, wrong(err)
			}
			for i := range min(len(types), len(columns)) {
				columns[i].kind = types[i].Type
			}
		case "numRows":
			if err := d.Decode(&said); err != nil {
				return 0, wrong(err)
			}
		case "rows":
			rows = true
			if t, err := d.Token(); err != nil || t != json.Delim('[') {
				return 0, fault.New(fault.BadInput, "there is no array at $.rows").WithHint("the shape of the answer changed")
			}
			for d.More() {
				var fields []json.RawMessage
				if err := d.Decode(&fields); err != nil {
					return 0, wrong(err)
				}
				if len(fields) != len(columns) {
					return 0, fault.New(fault.BadInput, "a row at $.rows has %d values for %d columns", len(fields), len(columns)).WithHint("the shape of the answer changed")
				}
				if err := visit(columns, fields); err != nil {
					return 0, err
				}
			}
			if _, err := d.Token(); err != nil {
				return 0, wrong(err)
			}
		default:
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return 0, wrong(err)
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return 0, wrong(err)
	}
	if !rows {
		return 0, fault.New(fault.BadInput, "there is nothing at $.rows").WithHint("the shape of the answer changed")
	}
	return said, nil
}

// quoted is a column's name in Domo's SQL.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// literal is a time as datasets write it.
func literal(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999") }
