package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"elt/internal/sqltarget"
	"elt/targets/targettest"
)

func TestTarget(t *testing.T) {
	targettest.Run(t, targettest.Subject{
		Target: New(),
		Config: func(t testing.TB) map[string]any {
			return map[string]any{"database": filepath.Join(t.TempDir(), "x.db")}
		},
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			ctx := context.Background()
			s, err := open(ctx, config["database"].(string), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.conn.Close()
			found, _, err := describe(ctx, s, stream)
			if err != nil {
				t.Fatal(err)
			}
			if found == nil {
				return nil
			}
			sql := "select "
			for i, c := range found.Columns {
				if i > 0 {
					sql += ", "
				}
				sql += "cast(" + sqltarget.Quote(c.Name) + " as text)"
			}
			lines, err := s.query(ctx, sql+" from "+found.Ref())
			if err != nil {
				t.Fatal(err)
			}
			rows := []targettest.Row{}
			for _, l := range lines {
				row := targettest.Row{}
				for i, c := range found.Columns {
					if row[c.Name] = nil; l[i] != nil {
						value := text(l[i])
						row[c.Name] = &value
					}
				}
				rows = append(rows, row)
			}
			return rows
		},
	})
}
