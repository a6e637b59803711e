package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

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

// metadata are the columns that every row brings beside the schema's.
func (ld *loader) metadata(schema *row.Schema) []row.Column {
	if ld.shared != nil {
		return nil
	}
	meta := ld.sink.set.metadata().Columns()
	if ld.version && !slices.ContainsFunc(meta, func(c row.Column) bool { return c.Name == sqltarget.TableVersion }) {
		meta = append([]row.Column{sqltarget.MetaColumn(sqltarget.TableVersion)}, meta...)
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
	return ld.sink.set.naming().Columns(names, taken)
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
	all, idents := ld.wanted(schema), ld.idents(schema, ld.at.Columns)
	var pinned []string
	for {
		fit, err := sqltarget.Fit(sqltarget.Postgres{}, s.set.naming(), ld.at.Columns, all, idents, policy, pinned)
		if err != nil {
			return err
		}
		refused, err := ld.evolve(ctx, schema.Stream, fit.Changes)
		if err != nil {
			return err
		}
		if refused != "" {
			pinned = append(pinned, refused)
			continue
		}
		return ld.prepare(ctx, schema, fit.Into)
	}
}

// evolve makes changes; it names the column whose type the server refused to
// change because something depends on it.
func (ld *loader) evolve(ctx context.Context, stream string, changes []sqltarget.Change) (refused string, err error) {
	d := sqltarget.Postgres{}
	for _, c := range changes {
		name := sqltarget.Quote(c.Column.Name)
		if !c.Widens() {
			if err := ld.lane.exec(ctx, ld.at.AddColumn(c.Column)); err != nil {
				return "", fmt.Errorf("add column %q: %w", c.Column.Name, err)
			}
			ld.at.Columns = append(ld.at.Columns, c.Column)
			if !ld.aside {
				kind := "add"
				if c.For != "" {
					kind = "version"
				}
				ld.sink.changed(targets.Change{Stream: stream, Kind: kind, Column: c.Column.Name, Detail: c.String()})
			}
			continue
		}
		at := ld.at.Index(c.Column.Name)
		sql := "alter table " + ld.at.Ref() + " alter column " + name + " type " + c.Column.Type + " using " + d.Convert(name, c.Was, c.Column.Column)
		if err := ld.lane.attempt(ctx, sql); err != nil {
			var pg *pgconn.PgError
			if errors.As(err, &pg) && ld.lane.conn.TxStatus() == 'T' {
				return c.Column.Name, nil
			}
			return "", fmt.Errorf("change column %q to %s: %w", c.Column.Name, c.Column.Type, err)
		}
		if !ld.aside {
			ld.sink.changed(targets.Change{Stream: stream, Kind: "widen", Column: c.Column.Name, Detail: ld.at.Columns[at].Type + " -> " + c.Column.Type})
		}
		ld.at.Columns[at] = c.Column
	}
	return "", nil
}

// prepare settles key and encoding once the table has the right columns.
func (ld *loader) prepare(ctx context.Context, schema *row.Schema, into []sqltarget.Column) error {
	for i := range into { // what only the server fills in stays out
		if slices.Contains(ld.at.generated, into[i].Name) {
			into[i].Name = ""
		}
	}
	for i, c := range schema.Columns {
		if into[i].Name == "" {
			ld.sink.changed(targets.Change{Stream: schema.Stream, Kind: "ignore", Column: c.Name, Detail: "the table has no column for it"})
		}
	}
	before := ld.at.Key
	ld.keyed = ld.sink.set.Keyed(schema.Key)
	ld.at.Key, ld.unique = nil, false
	if ld.keyed {
		idents := make([]string, len(into))
		for i := range into {
			idents[i] = into[i].Name
		}
		key, err := keyIdents(schema, idents)
		if err != nil {
			return err
		}
		if err := ld.rekey(ctx, schema, key); err != nil {
			return err
		}
		ld.at.Key, ld.unique = key, ld.at.uniqueOn(key)
	} else if err := ld.rekey(ctx, schema, nil); err != nil { // every row is to be added
		return err
	}
	for _, k := range before { // a key not yet made is just not null
		if ld.aside && ld.at.primary == "" && !slices.Contains(ld.at.Key, k) {
			if err := ld.lane.exec(ctx, "alter table "+ld.at.Ref()+" alter column "+sqltarget.Quote(k)+" drop not null"); err != nil {
				return err
			}
		}
	}
	encoder, err := newEncoder(schema, into, ld.metadata(schema))
	if err != nil {
		return err
	}
	ld.schema, ld.encoder = schema, encoder
	return nil
}

// rekey gives a table of ours the stream's new key, nil for none. A table that cannot have
// it (rows that share it, somebody else's foreign keys) keeps what it has,
// and rows are merged without the help of a constraint.
func (ld *loader) rekey(ctx context.Context, schema *row.Schema, key []string) error {
	_, ours := strings.CutPrefix(ld.at.comment, ownPrefix)
	if ld.at.primary == "" || sameSet(ld.at.primaryKey, key) || ld.sink.set.OnSchemaChange != sqltarget.Evolve || !ours && !ld.aside {
		return nil
	}
	sql := "alter table " + ld.at.Ref() + " drop constraint " + sqltarget.Quote(ld.at.primary)
	for _, k := range ld.at.primaryKey {
		if !slices.Contains(key, k) {
			sql += ", alter column " + sqltarget.Quote(k) + " drop not null"
		}
	}
	if key != nil {
		sql += ", add constraint " + sqltarget.Quote(ld.at.primary) + " primary key (" + sqltarget.List(key) + ")"
	}
	if err := ld.lane.attempt(ctx, sql); err != nil {
		if ld.lane.conn.TxStatus() != 'T' {
			return err
		}
		return nil
	}
	ld.at.unique = slices.DeleteFunc(ld.at.unique, func(u []string) bool { return sameSet(u, ld.at.primaryKey) })
	ld.at.primaryKey = key
	if key == nil {
		ld.at.primary = ""
		ld.sink.changed(targets.Change{Stream: schema.Stream, Kind: "rekey", Detail: "there is no primary key any more"})
		return nil
	}
	ld.at.unique = append(ld.at.unique, key)
	ld.sink.changed(targets.Change{Stream: schema.Stream, Kind: "rekey", Detail: fmt.Sprintf("primary key is now (%s)", sqltarget.List(key))})
	return nil
}
