package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/pgtest"
	"elt/internal/sqltarget"
	"elt/targets/targettest"
)

func TestTarget(t *testing.T) {
	targettest.Run(t, targettest.Subject{
		Target: New(),
		Config: func(t testing.TB) map[string]any {
			return map[string]any{"sqlalchemy_url": pgtest.URL(t), "default_target_schema": "raw"}
		},
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			ctx := context.Background()
			conn, err := pgx.Connect(ctx, config["sqlalchemy_url"].(string))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			_, table := sqltarget.SDK.Table(stream)
			name := sqltarget.Naming{Max: 63}.Ident(table)
			results, err := conn.PgConn().Exec(ctx, "set timezone = 'UTC'; select * from "+sqltarget.Qualify("raw", name)).ReadAll()
			var missing *pgconn.PgError
			if errors.As(err, &missing) && missing.Code == "42P01" {
				return nil
			}
			if err != nil {
				t.Fatal(err)
			}
			rows := []targettest.Row{}
			for _, r := range results[1].Rows {
				row := targettest.Row{}
				for i, f := range results[1].FieldDescriptions {
					if row[f.Name] = nil; r[i] != nil {
						text := string(r[i])
						row[f.Name] = &text
					}
				}
				rows = append(rows, row)
			}
			return rows
		},
	})
}
