package sqlite

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

// relation is a table or view of one of the files.
type relation struct {
	schema, name string // schema: main, or as attached
	view         bool
	columns      []attribute
	key          []string // the primary key
	resume       []string // by what a whole read goes on; nil: it begins anew
	hidden       bool     // resume is a rowid that is no column
}

// attribute is a column of a relation.
type attribute struct {
	row.Column
	sqlType string
}

// id is the relation's stream: its name, of attached files with theirs before.
func (r *relation) id() string {
	if r.schema == "main" {
		return r.name
	}
	return r.schema + "-" + r.name
}

func (r *relation) table() string { return quote(r.schema) + "." + quote(r.name) }

func (r *relation) column(name string) *attribute {
	if i := slices.IndexFunc(r.columns, func(a attribute) bool { return a.Name == name }); i >= 0 {
		return &r.columns[i]
	}
	return nil
}

// discover lists the relations. One that cannot be described, as a view of a
// table that is gone, is left out with a warning.
func (s *session) discover(ctx context.Context, set settings) ([]*relation, error) {
	rows, err := s.query(ctx, `select schema, name, type, wr from pragma_table_list where type in ('table', 'view', 'virtual') and schema <> 'temp'
		and name not like 'sqlite\_%' escape '\' and name <> '_elt_state' order by schema <> 'main', schema, name`)
	if err != nil {
		return nil, explain(s.path, err)
	}
	var out []*relation
	for _, r := range rows {
		rel := &relation{schema: text(r[0]), name: text(r[1]), view: text(r[2]) == "view"}
		if !set.wanted(rel) {
			continue
		}
		if err := s.describe(ctx, rel, r[3] == int64(1)); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			zerolog.Ctx(ctx).Warn().Msgf("%s is left out: %v", rel.table(), err)
			continue
		}
		out = append(out, rel)
	}
	return out, nil
}

func (s *session) describe(ctx context.Context, rel *relation, withoutRowid bool) error {
	// hidden: 0 ordinary, 1 of a virtual table's own, 2 and 3 generated
	rows, err := s.query(ctx, `select name, type, "notnull", pk from pragma_table_xinfo(?1, ?2) where hidden <> 1 order by cid`, rel.name, rel.schema)
	if err != nil {
		return err
	}
	var telling []bool
	var first string // of the type of the first key column
	key := map[int64]string{}
	for _, r := range rows {
		a := attribute{sqlType: text(r[1])}
		var ok bool
		a.Column, ok = declaredKind(a.sqlType)
		a.Name, a.Nullable = text(r[0]), r[2] == int64(0)
		if at := r[3].(int64); at > 0 {
			key[at] = a.Name
			first = a.sqlType
			a.Nullable = a.Nullable && !withoutRowid
		}
		telling = append(telling, ok)
		rel.columns = append(rel.columns, a)
	}
	if len(rel.columns) == 0 {
		return fmt.Errorf("it has no columns")
	}
	for i := range int64(len(key)) {
		rel.key = append(rel.key, key[i+1])
	}
	alias := len(rel.key) == 1 && strings.EqualFold(first, "integer")
	if alias {
		rel.column(rel.key[0]).Nullable = false
	}
	switch {
	case rel.view:
	case withoutRowid || alias:
		rel.resume = rel.key
	default:
		for _, name := range []string{"rowid", "_rowid_", "oid"} { // whichever no column is called
			if !slices.ContainsFunc(rel.columns, func(a attribute) bool { return strings.EqualFold(a.Name, name) }) {
				rel.resume, rel.hidden = []string{name}, true
				break
			}
		}
	}
	return s.sample(ctx, rel, telling)
}

// sample looks into the columns whose types say nothing, as those of
// expressions in views.
func (s *session) sample(ctx context.Context, rel *relation, telling []bool) error {
	for i := range rel.columns {
		if telling[i] {
			continue
		}
		a := &rel.columns[i]
		classes, err := s.query(ctx, fmt.Sprintf("select distinct typeof(v) from (select %s as v from %s limit 1000)", quote(a.Name), rel.table()))
		if err != nil {
			return err
		}
		var names []string
		for _, c := range classes {
			names = append(names, text(c[0]))
		}
		name, nullable := a.Name, a.Nullable
		a.Column = storedKind(names)
		a.Name, a.Nullable = name, nullable
	}
	return nil
}

func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case []byte:
		return string(x)
	}
	return ""
}

// wanted says whether a relation matches the setting tables.
func (s settings) wanted(r *relation) bool {
	return len(s.Tables) == 0 || slices.ContainsFunc(s.Tables, func(pattern string) bool {
		for _, name := range []string{r.name, r.id(), r.schema + "." + r.name} {
			if ok, err := path.Match(strings.ToLower(strings.TrimSpace(pattern)), strings.ToLower(name)); ok && err == nil {
				return true
			}
		}
		return false
	})
}

// stream is a relation under the id that it has in catalogs.
type stream struct {
	id  string
	rel *relation
}

// named gives relations their ids. Two that would fall together (a table
// "a-b" beside table "b" of the attached "a") are kept apart by quotes.
func named(relations []*relation) []stream {
	seen := map[string]bool{}
	out := make([]stream, len(relations))
	for i, rel := range relations {
		id := rel.id()
		if seen[id] {
			id = rel.table()
		}
		seen[id] = true
		out[i] = stream{id, rel}
	}
	return out
}

// catalog is what discovery prints.
func catalog(relations []*relation) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	for _, st := range named(relations) {
		schema := &row.Schema{Stream: st.id, Key: st.rel.key}
		for _, a := range st.rel.columns {
			schema.Columns = append(schema.Columns, a.Column)
		}
		cs, err := singer.NewCatalogStream(schema)
		if err != nil {
			return nil, err
		}
		cs.TableName = st.rel.name
		cs.SetMeta("schema-name", st.rel.schema)
		cs.SetMeta("is-view", st.rel.view)
		for _, a := range st.rel.columns {
			cs.SetMeta("sql-datatype", a.sqlType, a.Name)
		}
		c.Streams = append(c.Streams, cs)
	}
	return c, nil
}

// find is the relation that a catalog's stream means, nil when it is not there.
func find(streams []stream, cs *singer.CatalogStream) *relation {
	schema, _ := cs.Meta()["schema-name"].(string)
	for _, st := range streams {
		if cs.TableName != "" && st.rel.name == cs.TableName && (schema == "" || st.rel.schema == schema) {
			return st.rel
		}
	}
	for _, st := range streams {
		if st.id == cs.ID() {
			return st.rel
		}
	}
	return nil
}

func missing(rel *relation, what, name string) error {
	all := make([]string, len(rel.columns))
	for i, a := range rel.columns {
		all[i] = a.Name
	}
	e := fault.New(fault.BadConfig, "%s %q is no column of %s", what, name, rel.table())
	if near := fault.Nearest(name, all); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("it has %s", strings.Join(all[:min(12, len(all))], ", "))
}
