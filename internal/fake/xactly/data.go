package xactly

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// known are the public facts about the service's tables.
//
//go:embed tables.tsv
var known string

// Tables are the tables that are known, or those of these names, with so many
// rows each. Keys are
// unique, but what the first client took for
// keys is not: an adjustment shares its credit with others, a version its
// entity. Several rows have the same date, each seventh none.
func Tables(rows int, names ...string) []*Table {
	var out []*Table
	for line := range strings.Lines(known) {
		field := strings.Split(strings.TrimSpace(line), "\t")
		if len(field) != 4 || strings.HasPrefix(line, "#") || field[0] == "stream" || len(names) > 0 && !slices.Contains(names, field[0]) {
			continue
		}
		t := &Table{Name: field[0]}
		var kinds []string
		for column := range strings.FieldsSeq(field[3]) {
			name, kind, _ := strings.Cut(column, ":")
			t.Columns, kinds = append(t.Columns, name), append(kinds, kind)
		}
		for n := range rows {
			t.Rows = append(t.Rows, t.row(field[1], kinds, n))
		}
		out = append(out, t)
	}
	return out
}

// row is the n-th row of a table with that key.
func (t *Table) row(key string, kinds []string, n int) []string {
	const large = 220000000000000 // ids are of this size
	versions := strings.HasSuffix(t.Name, "_hist") || t.Name == "xc_credit_adjustment"
	row := make([]string, len(t.Columns))
	for i, name := range t.Columns {
		switch {
		case name == "MODIFIED_DATE" && n%7 == 6:
			row[i] = "null"
		case strings.HasSuffix(name, "_DATE"):
			row[i] = Date(n / 3)
		case name == key && kinds[i] == "n" && versions:
			row[i] = fmt.Sprint(large + n/4)
		case name == key && kinds[i] == "n", name == "OBJECT_ID", name == "CREDIT_ADJUSTMENT_ID":
			row[i] = fmt.Sprint(large + n)
		case name == key:
			row[i] = quote(fmt.Sprintf("id'%04d", n))
		case name == "VERSION":
			row[i] = fmt.Sprint(n % 4)
		case strings.HasSuffix(name, "AMOUNT") && n%5 == 0:
			row[i] = "null"
		case kinds[i] == "n" && strings.HasSuffix(name, "_ID"):
			row[i] = fmt.Sprint(large + 7*n + i)
		case kinds[i] == "n":
			row[i] = fmt.Sprintf("%d.%09d", n, i+1)
		case n%4 == 0:
			row[i] = quote("")
		default:
			row[i] = quote(fmt.Sprintf("%s %d \"ü\"\n'x'", name, n))
		}
	}
	return row
}

// Date is the n-th of the dates that rows have.
func Date(n int) string {
	return quote(time.Date(2021, 3, 1, 0, 0, 0, 123000000, time.UTC).Add(time.Duration(n) * 7 * time.Hour).Format("2006-01-02T15:04:05.000Z"))
}

func quote(text string) string {
	raw, _ := json.Marshal(text) // a text always can
	return string(raw)
}
