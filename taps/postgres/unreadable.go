package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
)

// unreadableSQL finds what discovery leaves out because the role may read no
// column of it. $1: schemas or null, $2: how many to name.
const unreadableSQL = `select n.nspname || '.' || c.relname, count(*) over () from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
  and (case when $1::text[] is not null then n.nspname = any ($1::text[])
            else n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') end)
  and not (has_schema_privilege(n.oid, 'USAGE') and has_any_column_privilege(c.oid, 'SELECT'))
order by 1 limit $2`

// namedAtMost is how many tables a warning names.
const namedAtMost = 10

// warnUnreadable names the tables that the role may not read: a grant that
// was forgotten, or was lost with a table that was made anew, would otherwise
// take a stream out of the pipeline without a word.
func warnUnreadable(ctx context.Context, conn *pgx.Conn, schemas []string) error {
	rows, err := conn.Query(ctx, unreadableSQL, schemas, namedAtMost)
	if err != nil {
		return fmt.Errorf("look for tables that the role may not read: %w", err)
	}
	var names []string
	var name string
	var count int
	if _, err := pgx.ForEachRow(rows, []any{&name, &count}, func() error {
		names = append(names, name)
		return nil
	}); err != nil {
		return fmt.Errorf("look for tables that the role may not read: %w", err)
	}
	if len(names) == 0 {
		return nil
	}
	list := strings.Join(names, ", ")
	if count > len(names) {
		list += fmt.Sprintf(" and %d more", count-len(names))
	}
	zerolog.Ctx(ctx).Warn().Msgf("the role %q may not read, so these are no streams: %s (grant usage on the schema and select on the table, or leave the schema out of filter_schemas)", conn.Config().User, list)
	return nil
}
