package crash

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/fake/snowflake"
	"elt/internal/pgtest"
)

// warehouse is a destination whose rows can be read back: one entry here is
// all that another destination needs to stand the taps over HTTP being killed.
type warehouse struct {
	name, target string
	// open makes a fresh one: the loader's settings as YAML, and how to read
	// a service's rows as "a|b", times without zone and fractions of zero.
	open func(t *testing.T, dir string) (config string, look func(t *testing.T, s *service) []string)
}

func warehouses() []warehouse {
	return []warehouse{
		{"sqlite", "target-sqlite", func(t *testing.T, dir string) (string, func(*testing.T, *service) []string) {
			return "{database: out.db, batch_size_rows: 200}", func(t *testing.T, s *service) []string {
				db, err := sql.Open("sqlite3", filepath.Join(dir, "out.db"))
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				var table string
				if err := db.QueryRow("select name from sqlite_master where type = 'table' and lower(name) like ?", "%"+s.warehouse+"%").Scan(&table); err != nil {
					t.Fatal(err)
				}
				query := func(sql string, args ...any) (out []string) {
					rows, err := db.Query(sql, args...)
					if err != nil {
						t.Fatal(err)
					}
					defer rows.Close()
					for rows.Next() {
						var line string
						if err := rows.Scan(&line); err != nil {
							t.Fatal(err)
						}
						out = append(out, line)
					}
					if err := rows.Err(); err != nil {
						t.Fatal(err)
					}
					return out
				}
				names := query("select name from pragma_table_info(?)", table)
				return query(fmt.Sprintf(`select cast(%s as text) || '|' || replace(substr(%s, 1, 19), ' ', 'T') from %q`, column(t, s, 0, names), column(t, s, 1, names), table))
			}
		}},
		{"postgres", "target-postgres", func(t *testing.T, dir string) (string, func(*testing.T, *service) []string) {
			address := pgtest.URL(t)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			config := fmt.Sprintf("{host: %s, port: %s, user: %s, database: %s, default_target_schema: public, batch_size_rows: 200}", u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
			return config, func(t *testing.T, s *service) []string {
				ctx := context.Background()
				conn, err := pgx.Connect(ctx, address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(ctx)
				var table string
				if err := conn.QueryRow(ctx, "select tablename::text from pg_tables where schemaname = 'public' and lower(tablename) like $1", "%"+s.warehouse+"%").Scan(&table); err != nil {
					t.Fatal(err)
				}
				query := func(sql string, args ...any) []string {
					rows, err := conn.Query(ctx, sql, args...)
					if err != nil {
						t.Fatal(err)
					}
					out, err := pgx.CollectRows(rows, pgx.RowTo[string])
					if err != nil {
						t.Fatal(err)
					}
					return out
				}
				names := query("select column_name::text from information_schema.columns where table_schema = 'public' and table_name = $1", table)
				return query(fmt.Sprintf(`select %s::text || '|' || to_char(%s::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') from %s`, column(t, s, 0, names), column(t, s, 1, names), pgx.Identifier{table}.Sanitize()))
			}
		}},
		// Snowflake's own faults come on top: a server in trouble, a session
		// that expires, a reply that is lost, an upload refused.
		{"snowflake", "target-snowflake", func(t *testing.T, dir string) (string, func(*testing.T, *service) []string) {
			s := snowflake.Start(t, snowflake.WithIdleAbort(time.Second))
			s.Inject(snowflake.Fault{Endpoint: "query", After: 6, Count: 1, Status: 503})
			s.Inject(snowflake.Fault{Endpoint: "query", After: 11, Count: 1, Expired: true})
			s.Inject(snowflake.Fault{Endpoint: "query", Statement: "(?i)^merge", After: 1, Count: 1, Lost: true})
			s.Inject(snowflake.Fault{Endpoint: "upload", After: 2, Count: 1, Status: 503})
			config := fmt.Sprintf("{account: %s, user: %s, password: %s, role: %s, warehouse: %s, database: %s, protocol: http, host: %q, port: %s, default_target_schema: OUT, temp_dir: ., batch_size_rows: 200}",
				snowflake.Account, snowflake.UserName, snowflake.Password, snowflake.Role, snowflake.Warehouse, snowflake.Database, s.Host(), s.Port())
			return config, func(t *testing.T, service *service) (out []string) {
				query := func(sql string) (out [][]any) {
					_, rows, err := s.Query(sql)
					if err != nil {
						t.Fatal(err)
					}
					return rows
				}
				tables := query("SELECT TABLE_NAME FROM ELT_DB.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'OUT' AND TABLE_NAME ILIKE '%" + service.warehouse + "%'")
				if len(tables) != 1 {
					t.Fatalf("tables like %s: %v", service.warehouse, tables)
				}
				var names []string
				for _, r := range query(fmt.Sprintf("SELECT COLUMN_NAME FROM ELT_DB.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'OUT' AND TABLE_NAME = '%s'", tables[0][0])) {
					names = append(names, fmt.Sprint(r[0]))
				}
				for _, r := range query(fmt.Sprintf(`SELECT %s, REPLACE(SUBSTR(TO_VARCHAR(%s), 1, 19), ' ', 'T') FROM ELT_DB.OUT."%s"`,
					column(t, service, 0, names), column(t, service, 1, names), tables[0][0])) {
					out = append(out, fmt.Sprintf("%v|%v", r[0], r[1]))
				}
				return out
			}
		}},
	}
}

// column is a service's column among those of a table, whatever the target
// makes of its name.
func column(t *testing.T, s *service, n int, names []string) string {
	t.Helper()
	plain := func(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }
	for _, name := range names {
		if plain(name) == plain(s.columns[n]) {
			return `"` + name + `"`
		}
	}
	t.Fatalf("no column %q among %q", s.columns[n], names)
	return ""
}
