package snowflake

import (
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// layout is how rows of one shape lie in files: the fields of the schema, then
// metadata, then what merging needs.
type layout struct {
	schema *row.Schema // the source's, without metadata
	meta   []row.Column
	idents []string           // of schema and metadata columns
	into   []sqltarget.Column // Name "": left out
	lies   []sqltarget.Column // into as it was when the files were begun: what lies in them
	keyed  bool
	key    []string // identifiers
	ops    bool     // rows that are deletes may come
	masked bool     // rows with unset fields may come
}

// Columns of a load table that say what a row does. Rows are numbered, since
// the order of rows in a table means nothing; a mask has a 1 for every column
// that the source did not send; rows of one segment are merged together.
const (
	orderColumn   = "_ELT_ROW"
	opColumn      = "_ELT_OP"
	maskColumn    = "_ELT_UNSET"
	segmentColumn = "_ELT_SEGMENT"
)

// wants are the options of a layout that rows decide.
type wants struct {
	version, deletes, masked bool
}

// plan makes the layout of a schema for the table at (nil: not made yet).
func (s *sink) plan(schema *row.Schema, at *table, w wants) (*layout, error) {
	l := &layout{schema: schema, meta: s.metadata(schema, at, w), keyed: s.set.Keyed(schema.Key), ops: w.deletes || w.masked, masked: w.masked}
	fit, err := s.fit(l, at, nil)
	if err != nil {
		return nil, err
	}
	l.into, l.lies = fit.Into, fit.Into
	if !l.keyed {
		l.masked = false
		return l, nil
	}
	for i, k := range schema.KeyIndexes() {
		if k < 0 {
			return nil, fault.New(fault.BadInput, "key property %q is not in the schema", schema.Key[i]).WithHint("key_properties must name properties of the stream")
		}
		if l.into[k].Name == "" {
			return nil, fault.New(fault.BadInput, "the table has no column for key property %q", schema.Key[i]).WithHint("on_schema_change: evolve adds it")
		}
		l.key = append(l.key, l.into[k].Name)
	}
	return l, nil
}

// metadata are the columns that every row brings beside the schema's.
func (s *sink) metadata(schema *row.Schema, at *table, w wants) []row.Column {
	named := func(name string) func(row.Column) bool {
		return func(c row.Column) bool { return c.Name == name }
	}
	meta := s.set.metadata().Columns()
	add := func(name string) {
		if !slices.ContainsFunc(meta, named(name)) {
			meta = append([]row.Column{sqltarget.MetaColumn(name)}, meta...)
		}
	}
	if w.version {
		add(sqltarget.TableVersion)
	}
	if w.deletes && !s.set.HardDelete { // deletes must leave their mark somewhere
		add(sqltarget.DeletedAt)
	}
	if at != nil && at.Has(s.set.naming().Ident(sqltarget.DeletedAt)) { // a row that comes again is alive
		add(sqltarget.DeletedAt)
	}
	return slices.DeleteFunc(meta, func(m row.Column) bool { return schema.Index(m.Name) >= 0 })
}

// fit plans how l's columns go into a table, given the figures of the numbers
// that came (nil: none are known yet). A column that cannot become what is
// needed keeps its type and gets another one beside it.
func (s *sink) fit(l *layout, at *table, seen []figures) (sqltarget.Fitting, error) {
	all := *l.schema
	all.Columns = slices.Concat(l.schema.Columns, l.meta)
	names, have := make([]string, len(all.Columns)), []sqltarget.Column(nil)
	policy := s.set.OnSchemaChange
	if at != nil {
		have = at.Columns
	} else {
		policy = sqltarget.Evolve
	}
	taken := make([]string, len(have))
	for i, c := range have {
		taken[i] = c.Name
	}
	for i, c := range all.Columns {
		names[i] = c.Name
	}
	l.idents = s.set.naming().Columns(names, taken)
	source := slices.Clone(all.Columns)
	seenOf := func(i int) (f figures) {
		if seen != nil {
			f = seen[i]
		}
		return f
	}
	for i, ident := range l.idents {
		var existing *sqltarget.Column
		if n := slices.IndexFunc(have, func(c sqltarget.Column) bool { return c.Name == ident }); n >= 0 {
			existing = &have[n]
		}
		all.Columns[i] = seenOf(i).need(source[i], existing)
	}
	var pinned []string
	for {
		fit, err := sqltarget.Fit(s.set.dialect(), s.set.naming(), have, &all, l.idents, policy, pinned)
		if err != nil {
			return fit, err
		}
		more := false
		for _, change := range fit.Changes {
			if change.Widens() && !inPlace(change.Was, change.Column.Column) {
				pinned, more = append(pinned, change.Column.Name), true
				if i := slices.Index(l.idents, change.Column.Name); i >= 0 { // as for a new column
					all.Columns[i] = seenOf(i).need(source[i], nil)
				}
			}
		}
		if !more {
			return fit, fits(l.schema.Stream, &all, fit.Into, seen)
		}
	}
}

// fits makes sure that no value would be rounded or refused on its way into a column
// that on_schema_change keeps as it is.
func fits(stream string, all *row.Schema, into []sqltarget.Column, seen []figures) error {
	for i, f := range seen {
		to := into[i]
		if to.Name == "" || !f.special && (to.Kind != row.Numeric || f.scale <= to.Scale && f.whole <= to.Precision-to.Scale) ||
			to.Kind == row.Text || to.Kind == row.JSON {
			continue
		}
		return fault.New(fault.BadInput, "stream %q: a value of column %q does not fit the table's %s", stream, all.Columns[i].Name, to.Type).
			WithHint("on_schema_change: evolve makes a column beside it")
	}
	return nil
}

// loadColumns are the columns of the temporary table that files of this
// layout are copied into. JSON arrives as text and is parsed by the merge.
func (l *layout) loadColumns() []sqltarget.Column {
	var out []sqltarget.Column
	for i, c := range l.into {
		if l.lies[i].Name == "" {
			continue
		}
		if c.Name == "" { // it stood in the way of another part of the same load
			c = l.lies[i]
			c.Cast = true
		}
		if c.Kind == row.JSON || c.Cast {
			c.Type = "VARCHAR"
		}
		out = append(out, c)
	}
	add := func(name, sqlType string) {
		c := sqltarget.Column{Type: sqlType}
		c.Name = name
		out = append(out, c)
	}
	if l.keyed {
		add(orderColumn, "NUMBER(38,0)")
		if l.ops {
			add(opColumn, "NUMBER(38,0)")
		}
		if l.masked {
			add(maskColumn, "VARCHAR")
			add(segmentColumn, "NUMBER(38,0)")
		}
	}
	return out
}
