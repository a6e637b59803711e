package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// loader loads one stream into one table: the final one, or an unpublished
// one that takes its place at the end.
type loader struct {
	lane   *lane
	sink   *sink
	schema *row.Schema
	final  sqltarget.Table // where the stream's rows are to be read (name only)
	at     *table          // where they go now

	keyed   bool
	unique  bool // at has the constraint that ON CONFLICT needs
	aside   bool // at is not published
	covered bool // a committed position covers rows of the unpublished table
	version bool // rows carry TableVersion although metadata is off
	deletes bool // some row was a delete
	blank   bool // rows without a version came
	ended   bool

	encoder  *encoder
	variants map[string]*variant
	out      []byte
	mask     []byte
}

// aside is what _elt_state keeps of an unpublished table. Once a position was
// committed with its rows, no later run gets them again: it must go on with
// the table, as long as the bookmark is the one that we moved.
type aside struct {
	Stream string `json:"stream"`
	Edit   int64  `json:"edit"`
}

func (l *lane) Stream(ctx context.Context, schema *row.Schema) (targets.Loader, error) {
	ld := &loader{lane: l, sink: l.sink, variants: map[string]*variant{}}
	err := l.begin(ctx)
	if err == nil {
		err = ld.open(ctx, schema)
	}
	if err != nil {
		return nil, l.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	l.loaders = append(l.loaders, ld)
	return ld, nil
}

func (ld *loader) open(ctx context.Context, schema *row.Schema) error {
	found, name, err := ld.find(ctx, schema.Stream)
	if err != nil {
		return err
	}
	ld.final = sqltarget.Table{Name: name}
	if found != nil && ld.sink.set.LoadMethod != sqltarget.Overwrite {
		ld.at = found
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	return ld.openAside(ctx, schema)
}

// find settles which table is the stream's. SQLite takes Users for users, so
// the one that is spelled differently has the name, and the other a suffix.
func (ld *loader) find(ctx context.Context, stream string) (*table, string, error) {
	name := naming().Ident(stream)
	if strings.HasPrefix(strings.ToLower(name), "sqlite_") { // SQLite's own
		name = "_" + name
	}
	for {
		found, other, err := describe(ctx, ld.lane.session, name)
		if err != nil {
			return nil, "", err
		}
		folded := strings.ToLower(name)
		if owner, taken := ld.sink.owner[folded]; other == "" && (!taken || owner == stream) {
			ld.sink.owner[folded] = stream
			return found, name, nil
		}
		suffixed := naming().Suffixed(stream)
		if suffixed == name {
			return nil, "", fault.New(fault.BadInput, "table %s belongs to another stream", sqltarget.Quote(name))
		}
		name = suffixed
	}
}

func (ld *loader) openAside(ctx context.Context, schema *row.Schema) error {
	s, l := ld.sink, ld.lane
	ld.aside = true
	sum := sha256.Sum256([]byte(s.stateID))
	name := ld.final.Name + "__elt_new_" + hex.EncodeToString(sum[:4])
	left, _, err := describe(ctx, l.session, name)
	if err != nil {
		return err
	}
	if left != nil {
		ok, err := ld.resumable(ctx, left, schema.Stream)
		if err != nil {
			return err
		}
		if ok {
			ld.at = left
			return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
		}
		if err := l.exec(ctx, "drop table "+left.Ref()); err != nil {
			return err
		}
		if err := ld.forget(ctx, name); err != nil {
			return err
		}
	}
	all, idents := ld.wanted(schema), ld.idents(schema, nil)
	ld.at = &table{Table: sqltarget.Table{Name: name, Columns: sqltarget.Columns(sqltarget.SQLite{}, all, idents)}}
	if s.set.Keyed(schema.Key) {
		if ld.at.Key, err = keyIdents(schema, idents); err != nil {
			return err
		}
		ld.at.primaryKey = ld.at.Key
	}
	if err := l.exec(ctx, ld.at.Create(true)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	s.asides[name] = true
	s.changed(targets.Change{Stream: schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	return ld.shape(ctx, schema, sqltarget.Evolve)
}

func (ld *loader) resumable(ctx context.Context, left *table, stream string) (bool, error) {
	s := ld.sink
	if s.asides[left.Name] {
		return true, nil
	}
	if s.stateID == "" || s.moved || s.set.LoadMethod == sqltarget.Overwrite {
		return false, nil
	}
	rows, err := ld.lane.query(ctx, state().Get(), s.stateID, sqltarget.AsidePart, left.Name)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	var note aside
	ld.covered = json.Unmarshal([]byte(text(rows[0][0])), &note) == nil && note == aside{stream, s.edit}
	return ld.covered, nil
}

// forget removes what _elt_state says of an unpublished table.
func (ld *loader) forget(ctx context.Context, name string) error {
	if ld.sink.stateID == "" {
		return nil
	}
	return ld.lane.exec(ctx, state().Drop(), ld.sink.stateID, sqltarget.AsidePart, name)
}

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
	}
	ld.schema = schema
	ld.encoder, err = newEncoder(schema, fit.Into, ld.metadata(schema))
	return err
}

var (
	quoted      = regexp.MustCompile(`"(?:[^"]|"")*"`)
	constraints = regexp.MustCompile(`(?i)\b(default|check|references|generated|collate|autoincrement|unique|strict|without)\b`)
)

// plain says that the table has nothing that a rebuilt one would lack.
func (ld *loader) plain(ctx context.Context) (bool, error) {
	rows, err := ld.lane.query(ctx, "select sql from sqlite_master where type = 'table' and name = $1", ld.at.Name)
	if err != nil || len(rows) == 0 {
		return true, err
	}
	return !constraints.MatchString(quoted.ReplaceAllString(text(rows[0][0]), "x")), nil
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

// rekey gives a table of ours the stream's new key, if its rows allow it.
func (ld *loader) rekey(ctx context.Context, stream string, key []string, plain bool) error {
	if len(ld.at.primaryKey) == 0 || ld.at.uniqueOn(key) || !plain || ld.sink.set.OnSchemaChange != sqltarget.Evolve {
		return nil
	}
	if err := ld.lane.exec(ctx, "savepoint elt"); err != nil {
		return err
	}
	if err := ld.rebuild(ctx, key, nil); err != nil { // rows share the key: merged without a constraint
		return ld.lane.exec(ctx, "rollback to elt; release elt")
	}
	ld.sink.changed(targets.Change{Stream: stream, Kind: "rekey", Detail: fmt.Sprintf("primary key is now (%s)", sqltarget.List(key))})
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

// Schema evolves the table; rows written before are in it already.
func (ld *loader) Schema(ctx context.Context, schema *row.Schema) error {
	if ld.schema.Same(schema) {
		ld.schema, ld.encoder.schema = schema, schema
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: %w", schema.Stream, err))
	}
	return nil
}

// versioned says that rows carry their table version.
func (ld *loader) versioned() bool {
	return slices.ContainsFunc(ld.encoder.columns, func(c sqltarget.Column) bool { return c.Name == sqltarget.TableVersion })
}

// Activate makes rows of older versions dead in this transaction. Where this
// run brought rows without a version nobody could tell them from old ones, so
// all are left alone.
func (ld *loader) Activate(ctx context.Context, version int64) error {
	set := ld.sink.set
	if !set.ActivateVersion || set.LoadMethod == sqltarget.Overwrite || ld.blank {
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil && set.HardDelete && !ld.versioned() {
		ld.version = true
		err = ld.shape(ctx, ld.schema, set.OnSchemaChange)
	}
	if err == nil && ld.versioned() && (set.HardDelete || ld.at.Has(sqltarget.DeletedAt)) {
		now := "'" + string(row.AppendTimestampText(nil, micros(), true)) + "'"
		err = ld.lane.exec(ctx, ld.at.Activate(targets.VersionMillis(version), set.HardDelete, now))
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: activate version %d: %w", ld.schema.Stream, version, err))
	}
	return nil
}

// End completes the stream with the next Commit.
func (ld *loader) End(ctx context.Context) error {
	ld.ended = true
	return ld.lane.begin(ctx)
}
