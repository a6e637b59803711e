package sqltarget

import (
	"fmt"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
)

// Policy is what a schema change may do to a table (on_schema_change).
type Policy string

const (
	Evolve Policy = "evolve" // add columns, widen types
	Add    Policy = "add"    // add columns; a type stays and its values must fit
	Freeze Policy = "freeze" // change nothing; unknown columns are left out
	Fail   Policy = "fail"   // any change ends the stream
)

// Change is one step that makes a table fit a schema.
type Change struct {
	Column Column     // the column as it will be
	Was    row.Column // what it was; Kind 0: the column is new
	For    string     // a new column that takes values its namesake cannot hold: that one's name
}

// Widens says that an existing column changes its type.
func (c Change) Widens() bool { return c.Was.Kind != 0 }

func (c Change) String() string {
	switch {
	case c.Widens():
		return fmt.Sprintf("column %q becomes %s", c.Column.Name, c.Column.Type)
	case c.For != "":
		return fmt.Sprintf("column %q cannot become %s, such values go to the new column %q", c.For, c.Column.Type, c.Column.Name)
	}
	return fmt.Sprintf("column %q %s is new", c.Column.Name, c.Column.Type)
}

// Fitting says where each wanted column goes and what must change before.
type Fitting struct {
	Into    []Column // one per wanted column; Name "" for one that is left out
	Changes []Change
}

// Fit plans how the columns of schema, under the identifiers idents, go into
// a table that has the columns have. A column named in pinned keeps its type
// because the destination refused to change it: what does not fit goes to a
// versioned column beside it ("name__v2").
func Fit(d Dialect, n Naming, have []Column, schema *row.Schema, idents []string, policy Policy, pinned []string) (Fitting, error) {
	var f Fitting
	find := func(name string) int {
		return slices.IndexFunc(have, func(c Column) bool { return c.Name == name })
	}
	for i, c := range schema.Columns {
		want := column(d, c, idents[i])
		at := find(want.Name)
		if at < 0 {
			switch policy {
			case Freeze:
				f.Into = append(f.Into, Column{})
				continue
			case Fail:
				return f, refused(schema.Stream, c.Name, "is not in the table")
			}
			f.Changes = append(f.Changes, Change{Column: want})
			f.Into = append(f.Into, want)
			continue
		}
		old := have[at]
		if old.Cast || row.Holds(old.Column, want.Column) {
			f.Into = append(f.Into, old)
			continue
		}
		if policy == Fail {
			return f, refused(schema.Stream, c.Name, fmt.Sprintf("is %s in the table and would have to become %s", old.Type, d.Type(d.Store(row.Widen(old.Column, want.Column)))))
		}
		if policy != Evolve {
			if _, ok := row.Converter(c, old.Column); !ok {
				return f, refused(schema.Stream, c.Name, fmt.Sprintf("is %s in the table, which cannot take a %s", old.Type, c.Kind))
			}
			f.Into = append(f.Into, old)
			continue
		}
		if !slices.Contains(pinned, old.Name) {
			wide := column(d, row.Widen(old.Column, want.Column), old.Name)
			f.Changes = append(f.Changes, Change{Column: wide, Was: old.Column})
			f.Into = append(f.Into, wide)
			continue
		}
		into, change := version(d, n, have, want, find)
		f.Into = append(f.Into, into)
		if change {
			f.Changes = append(f.Changes, Change{Column: into, For: old.Name})
		}
	}
	return f, nil
}

// version finds or makes the column beside want.Name that holds want.
func version(_ Dialect, n Naming, have []Column, want Column, find func(string) int) (Column, bool) {
	for v := 2; ; v++ {
		next := want
		next.Name = n.Ident(fmt.Sprintf("%s__v%d", want.Name, v))
		at := find(next.Name)
		if at < 0 {
			next.Nullable = true
			return next, true
		}
		if row.Holds(have[at].Column, want.Column) {
			return have[at], false
		}
	}
}

func refused(stream, column, why string) error {
	return fault.New(fault.BadInput, "stream %q: column %q %s, and on_schema_change does not allow that", stream, column, why).
		WithHint("set on_schema_change: evolve, or change the table yourself")
}

// Columns are the columns of a new table for schema.
func Columns(d Dialect, schema *row.Schema, idents []string) []Column {
	out := make([]Column, len(schema.Columns))
	for i, c := range schema.Columns {
		out[i] = column(d, c, idents[i])
	}
	return out
}

// New is a column the way d would make it for c.
func New(d Dialect, c row.Column) Column { return column(d, c, c.Name) }
