package sqlite

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// wanted is the schema with the metadata columns that it does not have itself.
func (ld *loader) wanted(schema *row.Schema) *row.Schema {
	all := *schema
	all.Columns = slices.Concat(schema.Columns, ld.metadata(schema))
	return &all
}

func (ld *loader) metadata(schema *row.Schema) []row.Column {
	var meta []row.Column
	if add := ld.sink.set.AddMetadata; add != nil && *add {
		meta = sqltarget.SDKMetadata.Columns()
	}
	if ld.version && len(meta) == 0 {
		meta = []row.Column{sqltarget.MetaColumn(sqltarget.TableVersion)}
	}
	if ld.deletes && len(meta) == 0 && !ld.sink.set.HardDelete { // deletes must leave their mark somewhere
		meta = []row.Column{sqltarget.MetaColumn(sqltarget.DeletedAt)}
	}
	if ld.at != nil && ld.at.Has(sqltarget.DeletedAt) && !slices.ContainsFunc(meta, func(c row.Column) bool { return c.Name == sqltarget.DeletedAt }) {
		meta = append([]row.Column{sqltarget.MetaColumn(sqltarget.DeletedAt)}, meta...) // a row that comes again is alive
	}
	return slices.DeleteFunc(meta, func(m row.Column) bool { return schema.Index(m.Name) >= 0 })
}

func (ld *loader) idents(schema *row.Schema, have []sqltarget.Column) []string {
	all := ld.wanted(schema)
	names, taken := make([]string, len(all.Columns)), make([]string, len(have))
	for i, c := range all.Columns {
		names[i] = c.Name
	}
	for i, c := range have {
		taken[i] = c.Name
	}
	return naming().Columns(names, taken)
}

func keyIdents(schema *row.Schema, idents []string) ([]string, error) {
	var key []string
	for i, at := range schema.KeyIndexes() {
		if at < 0 {
			return nil, fault.New(fault.BadInput, "key property %q is not in the schema", schema.Key[i]).WithHint("key_properties must name properties of the stream")
		}
		key = append(key, idents[at])
	}
	return key, nil
}

// shape makes the table fit a schema and prepares the encoding of its rows.
func (ld *loader) shape(ctx context.Context, schema *row.Schema, policy sqltarget.Policy) error {
	s := ld.sink
	ld.closeStatements()
	all, idents := ld.wanted(schema), ld.idents(schema, ld.at.Columns)
	var pinned []string
	if plain, err := ld.plain(ctx); err != nil {
		return err
	} else if !plain {
		for _, c := range ld.at.Columns {
			pinned = append(pinned, c.Name)
		}
	}
	fit, err := sqltarget.Fit(sqltarget.SQLite{}, naming(), ld.at.Columns, all, idents, policy, pinned)
	if err != nil {
		return err
	}
	if err := ld.evolve(ctx, schema.Stream, fit.Changes); err != nil {
		return err
	}
	for i := range fit.Into {
		if at := ld.at.Index(fit.Into[i].Name); at >= 0 && ld.at.Columns[at].Cast {
			fit.Into[i].Name = "" // generated
		}
	}
	ld.keyed, ld.unique, ld.at.Key = s.set.Keyed(schema.Key), false, nil
	if ld.keyed {
		into := make([]string, len(fit.Into))
		for i, c := range fit.Into {
			if into[i] = c.Name; c.Name == "" && i < len(schema.Columns) {
				s.changed(targets.Change{Stream: schema.Stream, Kind: "ignore", Column: schema.Columns[i].Name, Detail: "the table has no column for it"})
			}
		}
		key, err := keyIdents(schema, into)
		if err != nil {
			return err
		}
		if err := ld.rekey(ctx, schema.Stream, key, pinned == nil); err != nil {
			return err
		}
		ld.at.Key, ld.unique = key, ld.at.uniqueOn(key)
	} else if err := ld.rekey(ctx, schema.Stream, nil, pinned == nil); err != nil { // every row is to be added
		return err
	}
	ld.schema = schema
	ld.encoder, err = newEncoder(schema, fit.Into, ld.metadata(schema))
	return err
}

var (
	quoted      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"]|"")*"`) })
	constraints = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(default|check|references|generated|collate|autoincrement|unique|strict|without)\b`)
	})
)

// plain says that the table has nothing that a rebuilt one would lack.
func (ld *loader) plain(ctx context.Context) (bool, error) {
	rows, err := ld.lane.query(ctx, "select sql from sqlite_master where type = 'table' and name = $1", ld.at.Name)
	if err != nil || len(rows) == 0 {
		return true, err
	}
	return !constraints().MatchString(quoted().ReplaceAllString(text(rows[0][0]), "x")), nil
}

// evolve adds columns, and rebuilds the table where types change: SQLite
// cannot change a column's type.
func (ld *loader) evolve(ctx context.Context, stream string, changes []sqltarget.Change) error {
	report := func(c targets.Change) {
		if c.Stream = stream; !ld.aside {
			ld.sink.changed(c)
		}
	}
	convert := map[string]string{}
	d := sqltarget.SQLite{}
	for _, c := range changes {
		name := sqltarget.Quote(c.Column.Name)
		if c.Widens() {
			at := ld.at.Index(c.Column.Name)
			report(targets.Change{Kind: "widen", Column: c.Column.Name, Detail: ld.at.Columns[at].Type + " -> " + c.Column.Type})
			convert[c.Column.Name] = d.Convert(name, c.Was, c.Column.Column)
			ld.at.Columns[at] = c.Column
			continue
		}
		if err := ld.lane.exec(ctx, ld.at.AddColumn(c.Column)); err != nil {
			return fmt.Errorf("add column %q: %w", c.Column.Name, err)
		}
		ld.at.Columns = append(ld.at.Columns, c.Column)
		kind := "add"
		if c.For != "" {
			kind = "version"
		}
		report(targets.Change{Kind: kind, Column: c.Column.Name, Detail: c.String()})
	}
	if len(convert) == 0 {
		return nil
	}
	return ld.rebuild(ctx, ld.at.primaryKey, convert)
}

// rekey gives a table the stream's new key, nil for none, if its rows allow it.
func (ld *loader) rekey(ctx context.Context, stream string, key []string, plain bool) error {
	if len(ld.at.primaryKey) == 0 || key != nil && ld.at.uniqueOn(key) || !plain || ld.sink.set.OnSchemaChange != sqltarget.Evolve {
		return nil
	}
	if err := ld.lane.exec(ctx, "savepoint elt"); err != nil {
		return err
	}
	if err := ld.rebuild(ctx, key, nil); err != nil { // rows share the key: merged without a constraint
		return ld.lane.exec(ctx, "rollback to elt; release elt")
	}
	detail := fmt.Sprintf("primary key is now (%s)", sqltarget.List(key))
	if key == nil {
		detail = "there is no primary key any more"
	}
	ld.sink.changed(targets.Change{Stream: stream, Kind: "rekey", Detail: detail})
	return ld.lane.exec(ctx, "release elt")
}

// rebuild makes the table anew from its own rows, with indexes and triggers.
func (ld *loader) rebuild(ctx context.Context, key []string, convert map[string]string) error {
	next := sqltarget.Table{Name: ld.at.Name + "__elt_rebuild", Columns: ld.at.Columns, Key: key}
	var names, values []string
	for _, c := range next.Columns {
		q := sqltarget.Quote(c.Name)
		names = append(names, c.Name)
		if expr, ok := convert[c.Name]; ok {
			q = expr
		}
		values = append(values, q)
	}
	steps := append([]string{
		next.Create(true),
		"insert into " + next.Ref() + " (" + sqltarget.List(names) + ") select " + strings.Join(values, ", ") + " from " + ld.at.Ref(),
		"drop table " + ld.at.Ref(),
		"alter table " + next.Ref() + " rename to " + sqltarget.Quote(ld.at.Name),
	}, ld.at.attached...)
	for _, sql := range steps {
		if err := ld.lane.exec(ctx, sql); err != nil {
			return fmt.Errorf("rebuild table %s: %w", ld.at.Ref(), err)
		}
	}
	ld.at.primaryKey = key
	return nil
}
