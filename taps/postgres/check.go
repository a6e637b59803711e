package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/spec"
)

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	s, err := decode(cfg)
	if err != nil {
		report.Add("settings", "", err)
		return
	}
	conn := s.Check(ctx, report)
	if conn == nil {
		return
	}
	w := worker{conn: conn}
	defer w.close()
	report.Do(ctx, "permission", func(ctx context.Context) (string, error) { return readable(ctx, conn, s.schemas()) })
}

// readable counts the relations that the role may read; none is an error, as
// is a schema that is named in the settings and not there.
func readable(ctx context.Context, conn *pgx.Conn, schemas []string) (string, error) {
	rows, err := conn.Query(ctx, `select n.nspname::text, coalesce(c.relname::text, ''), has_schema_privilege(n.oid, 'USAGE') and coalesce(has_any_column_privilege(c.oid, 'SELECT'), false)
		from pg_catalog.pg_namespace n
		left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
		where case when $1::text[] is not null then n.nspname = any ($1::text[]) else n.nspname !~ '^pg_' and n.nspname <> 'information_schema' end
		order by 1, 2`, schemas)
	if err != nil {
		return "", err
	}
	var seen, barred []string
	may := 0
	for rows.Next() {
		var schema, table string
		var ok bool
		if err := rows.Scan(&schema, &table, &ok); err != nil {
			rows.Close()
			return "", err
		}
		seen = append(seen, schema)
		switch {
		case table == "":
		case ok:
			may++
		default:
			barred = append(barred, schema+"."+table)
		}
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	for _, name := range schemas {
		if !slices.Contains(seen, name) {
			return "", fault.New(fault.BadConfig, "filter_schemas names %q, which is no schema of the database", name).WithKind(fault.KindPath).
				WithHint("names are case-sensitive")
		}
	}
	few := strings.Join(barred[:min(5, len(barred))], ", ")
	if len(barred) > 5 {
		few += ", …"
	}
	switch {
	case may == 0 && len(barred) > 0:
		return "", fault.New(fault.Failed, "the role %q may read none of %s: %s", conn.Config().User, check.Count(len(barred), "table"), few).WithKind(fault.KindPermission).
			WithHint(`grant usage on schema … and select on all tables in schema … to "%s"`, conn.Config().User)
	case len(barred) > 0:
		return fmt.Sprintf("may read %s, but not %s", check.Count(may, "table"), few), nil
	}
	return "may read " + check.Count(may, "table"), nil
}
