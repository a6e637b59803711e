package sqlstore

import (
	"fmt"
	"strings"

	"elt/state"
)

// filter is the conditions of a list, and their parameters.
type filter struct {
	conditions []string
	args       []any
}

// which is what w asks of a table with these columns; equal are columns that
// have a value, where one is given.
func which(w state.Which, id, at string, equal map[string]string) *filter {
	f := &filter{}
	for column, value := range equal {
		if value != "" {
			f.add(column+" = %s", value)
		}
	}
	f.oneOf("name", w.Names)
	f.oneOf("status", w.Statuses)
	if !w.Since.IsZero() {
		f.add(at+" >= %s", w.Since.UTC())
	}
	switch {
	case !w.At.IsZero():
		f.add("("+at+", "+id+") < (%s, %s)", w.At.UTC(), w.Before)
	case w.Before != "":
		f.add("("+at+", "+id+") < (select o."+at+", o."+id+" from elt_executions o where o."+id+" = %s)", w.Before)
	}
	return f
}

// add adds a condition; each %s in it is the place of a parameter.
func (f *filter) add(condition string, args ...any) {
	var places []any
	for _, arg := range args {
		f.args = append(f.args, arg)
		places = append(places, fmt.Sprintf("$%d", len(f.args)))
	}
	f.conditions = append(f.conditions, fmt.Sprintf(condition, places...))
}

func (f *filter) oneOf(column string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	f.add(column+" in (%s"+strings.Repeat(", %s", len(values)-1)+")", args...)
}

// text is the end of the statement; a limit of 0 is none.
func (f *filter) text(order string, limit int) string {
	f.args = append(f.args, orAll(limit))
	where := ""
	if len(f.conditions) > 0 {
		where = "where " + strings.Join(f.conditions, " and ")
	}
	return fmt.Sprintf("%s order by %s limit $%d", where, order, len(f.args))
}
