package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// loader loads one stream into one table. Where rows go:
//
//   - a table of plain rows: COPY straight in;
//   - a keyed table: COPY into a stage, merged before each commit;
//   - a table that is not there yet, or is to be overwritten: COPY into an
//     unpublished table, which takes its place at the end.
type loader struct {
	lane   *lane
	sink   *sink
	schema *row.Schema
	final  sqltarget.Table // where the stream's rows are to be read (names only)
	at     *table          // where they go now: the final table, or the unpublished one
	grants []string

	keyed   bool // rows merge by key
	unique  bool // at has the unique constraint that a merge needs
	aside   bool // at is not published
	created bool // at was made by this transaction, so COPY FREEZE is allowed
	counted bool // at numbers its rows in orderColumn
	rows    int64
	version bool // rows carry TableVersion although metadata is off
	blank   bool // rows without a version came
	ended   bool
	note    aside

	encoder *encoder
	out     []byte
	stage   *sqltarget.Stage // nil: none in this transaction
	staged  int
	ops     bool // stages carry operations from now on
	deletes bool // some row was a delete
	seed    maphash.Seed
	seen    map[uint64]struct{} // keys in a stage with operations
}

// orderColumn numbers the rows of an unpublished keyed table that outlives a
// transaction, because there COPY may fill gaps on earlier pages and ctid no
// longer tells which of two rows came last. It goes when the key comes.
const orderColumn = "_elt_n"

func (l *lane) Stream(ctx context.Context, schema *row.Schema) (targets.Loader, error) {
	if err := l.finishCopy(ctx); err != nil {
		return nil, l.fail(err)
	}
	ld := &loader{lane: l, sink: l.sink, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	if err := ld.open(ctx, schema); err != nil {
		return nil, l.fail(fmt.Errorf("stream %q: %w", schema.Stream, plain(err)))
	}
	l.loaders = append(l.loaders, ld)
	return ld, nil
}

func (ld *loader) open(ctx context.Context, schema *row.Schema) error {
	s, l := ld.sink, ld.lane
	if s.set.KeyRequired && len(schema.Key) == 0 {
		return fault.New(fault.BadInput, "it has no key, and primary_key_required is set").WithHint("give the stream a key, or set primary_key_required: false to append its rows")
	}
	schemaName, name, grants, err := s.set.place(schema.Stream)
	if err != nil {
		return err
	}
	ld.grants = grants
	if err := s.schema(ctx, schemaName, grants); err != nil {
		return err
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	found, name, err := ld.find(ctx, schemaName, name, schema.Stream)
	if err != nil {
		return err
	}
	ld.final = sqltarget.Table{Schema: schemaName, Name: name}
	if found != nil && s.set.LoadMethod != sqltarget.Overwrite {
		ld.at = found
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	return ld.openAside(ctx, schema)
}

// find settles which table is the stream's. Two streams may come to one name
// (a-users and b-users): the table belongs to the stream in its comment, or
// to the first that asks in this run, and the other's name gets a suffix.
func (ld *loader) find(ctx context.Context, schema, name, stream string) (*table, string, error) {
	s := ld.sink
	for {
		found, err := describe(ctx, ld.lane.session, schema, name)
		if err != nil {
			return nil, "", err
		}
		owner, commented := "", false
		if found != nil {
			owner, commented = strings.CutPrefix(found.comment, ownPrefix)
		}
		ref := sqltarget.Qualify(schema, name)
		s.mu.Lock()
		first, taken := s.streams[ref]
		if !taken && (!commented || owner == stream) {
			s.streams[ref], first, taken = stream, stream, true
		}
		s.mu.Unlock()
		if taken && first == stream && (!commented || owner == stream) {
			return found, name, nil
		}
		suffixed := s.set.naming().Suffixed(stream)
		if suffixed == name {
			return nil, "", fault.New(fault.BadInput, "table %s belongs to another stream", ref)
		}
		name = suffixed
	}
}

// openAside makes the unpublished table, or goes on with the one that an
// earlier run left.
func (ld *loader) openAside(ctx context.Context, schema *row.Schema) error {
	s, l := ld.sink, ld.lane
	ld.aside = true
	name := ld.asideName()
	ref := sqltarget.Qualify(ld.final.Schema, name)
	left, err := describe(ctx, l.session, ld.final.Schema, name)
	if err != nil {
		return err
	}
	if left != nil && !ld.resumable(left, schema.Stream) {
		if err := l.exec(ctx, "drop table "+ref); err != nil {
			return err
		}
		left = nil
	}
	if left != nil {
		ld.at = left
		ld.counted = left.Has(orderColumn)
		ld.rows = ld.note.Rows
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	ld.note = aside{Stream: schema.Stream, State: s.stateID, Edit: s.edit}
	idents := ld.idents(schema, nil)
	all := ld.wanted(schema)
	ld.at = &table{Table: sqltarget.Table{Schema: ld.final.Schema, Name: name, Columns: sqltarget.Columns(sqltarget.Postgres{}, all, idents)}}
	if s.set.Keyed(schema.Key) {
		if ld.at.Key, err = keyIdents(schema, idents); err != nil {
			return err
		}
	}
	if err := l.exec(ctx, ld.at.Create(false)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	ld.created = true
	s.mu.Lock()
	s.asides[ref] = true
	s.mu.Unlock()
	s.changed(targets.Change{Stream: schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	return ld.shape(ctx, schema, sqltarget.Evolve)
}

func (ld *loader) asideName() string {
	n := ld.sink.set.naming()
	return n.Ident(ld.final.Name + "__elt_new_" + digest(ld.sink.stateID+"/"+ld.final.Name))
}

func (ld *loader) resumable(left *table, stream string) bool {
	s := ld.sink
	text, ours := strings.CutPrefix(left.comment, asidePrefix)
	if !ours || json.Unmarshal([]byte(text), &ld.note) != nil || ld.note.Stream != stream {
		return false
	}
	s.mu.Lock()
	mine := s.asides[left.Ref()]
	s.mu.Unlock()
	if mine {
		return true
	}
	return s.stateID != "" && s.set.LoadMethod != sqltarget.Overwrite && !s.moved &&
		ld.note.State == s.stateID && ld.note.Edit == s.edit && ld.note.Covered
}

// wanted is the schema with the metadata columns that it does not have itself.
func (ld *loader) wanted(schema *row.Schema) *row.Schema {
	all := *schema
	all.Columns = slices.Concat(schema.Columns, ld.metadata(schema))
	return &all
}

func (ld *loader) metadata(schema *row.Schema) []row.Column {
	meta := ld.sink.set.metadata().Columns()
	if ld.version && !slices.ContainsFunc(meta, func(c row.Column) bool { return c.Name == sqltarget.TableVersion }) {
		meta = append([]row.Column{sqltarget.MetaColumn(sqltarget.TableVersion)}, meta...)
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

// rekey gives a table of ours the stream's new key. A table that cannot have
// it (rows that share it, somebody else's foreign keys) keeps what it has,
// and rows are merged without the help of a constraint.
func (ld *loader) rekey(ctx context.Context, schema *row.Schema, key []string) error {
	_, ours := strings.CutPrefix(ld.at.comment, ownPrefix)
	if ld.at.primary == "" || sameSet(ld.at.primaryKey, key) || ld.sink.set.OnSchemaChange != sqltarget.Evolve || !ours && !ld.aside {
		return nil
	}
	sql := "alter table " + ld.at.Ref() + " drop constraint " + sqltarget.Quote(ld.at.primary) + ", "
	for _, k := range ld.at.primaryKey {
		if !slices.Contains(key, k) {
			sql += "alter column " + sqltarget.Quote(k) + " drop not null, "
		}
	}
	sql += "add constraint " + sqltarget.Quote(ld.at.primary) + " primary key (" + sqltarget.List(key) + ")"
	if err := ld.lane.attempt(ctx, sql); err != nil {
		if ld.lane.conn.TxStatus() != 'T' {
			return err
		}
		return nil
	}
	ld.at.unique, ld.at.primaryKey = append(ld.at.unique, key), key
	ld.sink.changed(targets.Change{Stream: schema.Stream, Kind: "rekey", Detail: fmt.Sprintf("primary key is now (%s)", sqltarget.List(key))})
	return nil
}

// Schema evolves the table. Rows written before were encoded for the old
// shape; they are brought in first.
func (ld *loader) Schema(ctx context.Context, schema *row.Schema) error {
	if ld.schema.Same(schema) {
		ld.schema, ld.encoder.schema = schema, schema
		return nil
	}
	return ld.reshape(ctx, schema)
}

func (ld *loader) reshape(ctx context.Context, schema *row.Schema) error {
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.lane.finishCopy(ctx)
	}
	if err == nil {
		err = ld.merge(ctx)
	}
	if err == nil {
		err = ld.dropStage(ctx)
	}
	if err == nil {
		err = ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: %w", schema.Stream, plain(err)))
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
	if err == nil {
		err = ld.lane.finishCopy(ctx)
	}
	if err == nil {
		err = ld.merge(ctx)
	}
	if err == nil && set.HardDelete && !ld.versioned() {
		ld.version = true
		err = ld.reshape(ctx, ld.schema)
	}
	if err == nil && ld.versioned() && (set.HardDelete || ld.at.Has(sqltarget.DeletedAt)) {
		err = ld.lane.exec(ctx, ld.at.Activate(targets.VersionMillis(version), set.HardDelete, "now()"))
	}
	if err != nil {
		return ld.lane.fail(fmt.Errorf("stream %q: activate version %d: %w", ld.schema.Stream, version, plain(err)))
	}
	return nil
}

// End completes the stream with the next Commit.
func (ld *loader) End(ctx context.Context) error {
	ld.ended = true
	return ld.lane.begin(ctx)
}

// beforeCommit brings in what is staged and publishes what may be published.
func (ld *loader) beforeCommit(ctx context.Context, covered bool) error {
	err := ld.merge(ctx)
	if err == nil && ld.aside {
		switch {
		case ld.ended:
			err = ld.publish(ctx)
		case ld.sink.stateID == "" && covered && ld.sink.set.LoadMethod != sqltarget.Overwrite:
			// Nobody keeps a claim, so no later run could know what this
			// table holds, yet the position is about to be promised.
			err = ld.publish(ctx)
		default:
			err = ld.remember(ctx, covered)
		}
	}
	if err != nil {
		return fmt.Errorf("stream %q: %w", ld.schema.Stream, plain(err))
	}
	return nil
}

// remember writes into the unpublished table's comment whether a position
// covers rows of it.
func (ld *loader) remember(ctx context.Context, covered bool) error {
	ld.note.Covered, ld.note.Rows = ld.note.Covered || covered, ld.rows
	text, err := json.Marshal(ld.note)
	if err != nil {
		return err
	}
	return ld.lane.exec(ctx, "comment on table "+ld.at.Ref()+" is "+literal(asidePrefix+string(text)))
}

// committed forgets what belonged to the transaction.
func (ld *loader) committed() {
	ld.created, ld.stage, ld.staged = false, nil, 0
	clear(ld.seen)
}

// plain keeps values out of a server's error.
func plain(err error) error {
	var pg *pgconn.PgError
	var shown *refusal
	if errors.As(err, &shown) || !errors.As(err, &pg) {
		return err
	}
	return &refusal{pg, beforeValue(pg.Message)}
}
