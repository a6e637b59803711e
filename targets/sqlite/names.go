package sqlite

import (
	"context"
	"strings"

	"elt/internal/fault"
	"elt/internal/sqltarget"
)

// streamsTable says which stream has which table. Two streams may come to one
// name (a-users and b-users, or Users and users, which SQLite takes for the
// same): the first that asks has it, in every later run as well.
const streamsTable = "_elt_streams"

const (
	makeStreams = "create table if not exists " + streamsTable + " (stream text primary key, table_name text not null unique collate nocase)"
	tableWhere  = "select table_name from " + streamsTable + " where stream = $1"
	streamWhere = "select stream from " + streamsTable + " where table_name = $1"
	ownTable    = "insert into " + streamsTable + " (stream, table_name) values ($1, $2)"
)

// naming: SQLite takes any name of any length, but does not tell A from a.
func naming() sqltarget.Naming { return sqltarget.Naming{Blind: true} }

// plainName is the name for a text that is neither SQLite's own nor ours.
func plainName(text string) string {
	name := naming().Ident(text)
	if low := strings.ToLower(name); strings.HasPrefix(low, "sqlite_") || strings.HasPrefix(low, "_elt_") {
		return "_" + name
	}
	return name
}

// tableOf settles which table is the stream's, and says so in the file, in
// the open transaction. It is the one that the stream has already; else one
// called like the whole stream, as earlier versions named them, if there is
// one; else the last part of schema-table, as in Singer SDK targets. Where that
// is another stream's the name is the whole stream's with a suffix. t is nil
// when there is no such table yet.
func tableOf(ctx context.Context, s *session, stream string) (t *table, name string, err error) {
	if err := s.exec(ctx, makeStreams); err != nil {
		return nil, "", err
	}
	rows, err := s.query(ctx, tableWhere, stream)
	if err != nil {
		return nil, "", err
	}
	if len(rows) > 0 {
		name = text(rows[0][0])
		t, _, err = describe(ctx, s, name)
		return t, name, err
	}
	_, last := sqltarget.SDK.Table(stream)
	for i, name := range []string{plainName(stream), plainName(last), naming().Suffixed(stream)} {
		t, spelled, err := describe(ctx, s, name)
		if err != nil {
			return nil, "", err
		}
		owners, err := s.query(ctx, streamWhere, name)
		if err != nil {
			return nil, "", err
		}
		if spelled != "" || len(owners) > 0 || i == 0 && t == nil {
			continue
		}
		return t, name, s.exec(ctx, ownTable, stream, name)
	}
	return nil, "", fault.New(fault.BadInput, "table %s belongs to another stream", sqltarget.Quote(naming().Suffixed(stream)))
}
