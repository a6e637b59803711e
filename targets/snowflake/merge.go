package snowflake

import (
	"fmt"
	"slices"
	"strings"

	"elt/internal/row"
	"elt/internal/sqltarget"
)

// filesMost is how many names a COPY takes.
const filesMost = 1000

// createLoad is the statement that makes the temporary table ref for files of
// a layout; one of an earlier load of this session goes.
func (l *layout) createLoad(ref string) string {
	var parts []string
	for _, c := range l.loadColumns() {
		parts = append(parts, sqltarget.Quote(c.Name)+" "+c.Type)
	}
	return "CREATE OR REPLACE TEMPORARY TABLE " + ref + " (" + strings.Join(parts, ", ") + ")"
}

// copySQL is the statements that copy files of a stage into a table. Text is
// always quoted in our files, so an empty field without quotes is NULL and
// nothing else is.
func copySQL(ref, stage string, files []string, compression string, purge bool) []string {
	var out []string
	for names := range slices.Chunk(files, filesMost) {
		from := stage + "/" + names[0]
		if len(names) > 1 {
			quoted := make([]string, len(names))
			for i, n := range names {
				quoted[i] = literal(n)
			}
			from = stage + " FILES = (" + strings.Join(quoted, ", ") + ")"
		}
		sql := "COPY INTO " + ref + " FROM " + from + " FILE_FORMAT = (TYPE = CSV COMPRESSION = " + strings.ToUpper(compression) +
			` FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE) ON_ERROR = ABORT_STATEMENT`
		if purge {
			sql += " PURGE = TRUE"
		}
		out = append(out, sql)
	}
	return out
}

// bring is the statements that bring a load table's rows into t.
func (l *layout) bring(t *table, load string, segments int64, hard bool) []string {
	if !l.keyed {
		return []string{"INSERT INTO " + t.Ref() + " (" + l.names("") + ") SELECT " + l.values() + " FROM " + load}
	}
	var out []string
	for segment := range segments + 1 {
		out = append(out, l.merge(t, load, segment, hard))
	}
	return out
}

// merge is the statement that merges a segment's rows, of each key the last.
func (l *layout) merge(t *table, load string, segment int64, hard bool) string {
	source := "SELECT " + l.values()
	if l.ops {
		source += ", " + sqltarget.Quote(opColumn)
	}
	if l.masked {
		source += ", " + sqltarget.Quote(maskColumn)
	}
	source += " FROM " + load
	if l.masked {
		source += fmt.Sprintf(" WHERE %s = %d", sqltarget.Quote(segmentColumn), segment)
	}
	source += " QUALIFY ROW_NUMBER() OVER (PARTITION BY " + sqltarget.List(l.key) + " ORDER BY " + sqltarget.Quote(orderColumn) + " DESC) = 1"
	var on, set, marks []string
	for _, k := range l.key {
		on = append(on, "d."+sqltarget.Quote(k)+" = s."+sqltarget.Quote(k))
	}
	bit := 0
	for i, c := range l.into {
		if l.lies[i].Name == "" {
			continue
		}
		bit++
		if c.Name == "" {
			continue
		}
		if slices.Contains(l.key, c.Name) {
			continue
		}
		q := sqltarget.Quote(c.Name)
		value := "s." + q
		if sqltarget.Marker(l.plain(i)) {
			marks = append(marks, q+" = "+value)
		}
		if l.masked && i < len(l.schema.Columns) {
			value = fmt.Sprintf("CASE WHEN SUBSTR(s.%s, %d, 1) = '1' THEN d.%s ELSE %s END", sqltarget.Quote(maskColumn), bit, q, value)
		}
		set = append(set, q+" = "+value)
	}
	sql := "MERGE INTO " + t.Ref() + " d USING (" + source + ") s ON " + strings.Join(on, " AND ")
	op := "s." + sqltarget.Quote(opColumn)
	live, insert := "", ""
	if l.ops {
		live = fmt.Sprintf(" AND %s <> %d", op, row.Delete)
		switch {
		case hard:
			sql += fmt.Sprintf(" WHEN MATCHED AND %s = %d THEN DELETE", op, row.Delete)
			insert = live
		case len(marks) > 0:
			sql += fmt.Sprintf(" WHEN MATCHED AND %s = %d THEN UPDATE SET %s", op, row.Delete, strings.Join(marks, ", "))
		default: // a table without a place for the mark keeps its rows
			insert = live
		}
	}
	if len(set) > 0 {
		sql += " WHEN MATCHED" + live + " THEN UPDATE SET " + strings.Join(set, ", ")
	}
	return sql + " WHEN NOT MATCHED" + insert + " THEN INSERT (" + l.names("") + ") VALUES (" + l.names("s.") + ")"
}

// plain is the name that column i has in the source or as metadata.
func (l *layout) plain(i int) string {
	if i < len(l.schema.Columns) {
		return l.schema.Columns[i].Name
	}
	return l.meta[i-len(l.schema.Columns)].Name
}

func (l *layout) names(prefix string) string {
	var out []string
	for _, c := range l.into {
		if c.Name != "" {
			out = append(out, prefix+sqltarget.Quote(c.Name))
		}
	}
	return strings.Join(out, ", ")
}

// values are the columns as they go into the table.
func (l *layout) values() string {
	var out []string
	for _, c := range l.into {
		switch q := sqltarget.Quote(c.Name); {
		case c.Name == "":
		case c.Kind == row.JSON:
			out = append(out, "PARSE_JSON("+q+") AS "+q)
		default:
			out = append(out, q)
		}
	}
	return strings.Join(out, ", ")
}

// activate is the statement that makes rows of versions before millis, and of
// none, dead. The version itself survives: the comparison is < and never <=.
func activate(t *table, version, deleted string, millis int64, hard bool) string {
	v := sqltarget.Quote(version)
	// versions in seconds are compared as milliseconds (targets.VersionMillis)
	old := fmt.Sprintf("(%s IS NULL OR CASE WHEN %s < %d THEN %s * 1000 ELSE %s END < %d)", v, v, int64(100_000_000_000), v, v, millis)
	if hard {
		return "DELETE FROM " + t.Ref() + " WHERE " + old
	}
	d := sqltarget.Quote(deleted)
	return "UPDATE " + t.Ref() + " SET " + d + " = ? WHERE " + old + " AND " + d + " IS NULL"
}
