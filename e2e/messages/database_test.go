package messages

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/pgtest"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"
)

// database is a destination that cases look into. Values come as text, NULL as "∅".
type database interface {
	name() string
	config() map[string]any
	names() []string // pairs for a strings.Replacer
	query(t *testing.T, q string) [][]string
	exec(t *testing.T, q string)
	table(schema, name string) string
}

const null = "∅"

type sqlite struct{ path string }

func openSQLite(t *testing.T) database { return &sqlite{filepath.Join(t.TempDir(), "out.db")} }

func (s *sqlite) name() string                  { return "sqlite" }
func (s *sqlite) names() []string               { return nil }
func (s *sqlite) config() map[string]any        { return map[string]any{"database": s.path} }
func (s *sqlite) table(_, stream string) string { return quote(stream) }

func (s *sqlite) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", s.path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (s *sqlite) exec(t *testing.T, q string) {
	t.Helper()
	db := s.open(t)
	defer db.Close()
	if _, err := db.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func (s *sqlite) query(t *testing.T, q string) [][]string {
	t.Helper()
	db := s.open(t)
	defer db.Close()
	rows, err := db.Query(q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var out [][]string
	for rows.Next() {
		texts, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(texts))
		for i, text := range texts {
			if line[i] = text.String; !text.Valid {
				line[i] = null
			}
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

type postgres struct{ url string }

func openPostgres(t *testing.T) database { return &postgres{pgtest.URL(t)} }

func (p *postgres) name() string { return "postgres" }

func (p *postgres) config() map[string]any {
	u, _ := url.Parse(p.url)
	return map[string]any{
		"host": u.Hostname(), "port": u.Port(), "user": u.User.Username(), "password": "unused",
		"database": strings.TrimPrefix(u.Path, "/"), "default_target_schema": "melty",
	}
}

func (p *postgres) names() []string {
	_, rest, _ := strings.Cut(p.url, "://")
	name := p.config()["database"].(string)
	return []string{"$DBNAME", name, "$DB", name, "$URL", p.url, "$DRIVERURL", "postgresql+psycopg2://" + rest}
}

func (p *postgres) table(schema, name string) string {
	if schema == "" {
		schema = "melty"
	}
	return quote(schema) + "." + quote(name)
}

func (p *postgres) do(t *testing.T, q string) [][][]byte {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, "set timezone = 'UTC'; "+q).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return results[len(results)-1].Rows
}

func (p *postgres) exec(t *testing.T, q string) {
	t.Helper()
	p.do(t, q)
	if _, rest, ok := strings.Cut(q, "create role "); ok { // a role belongs to the server, not to the database
		role := strings.Fields(rest)[0]
		t.Cleanup(func() { p.do(t, "drop owned by "+role+" cascade; drop role "+role) })
	}
}

func (p *postgres) query(t *testing.T, q string) [][]string {
	t.Helper()
	var out [][]string
	for _, row := range p.do(t, q) {
		line := make([]string, len(row))
		for i, v := range row {
			if line[i] = string(v); v == nil {
				line[i] = null
			}
		}
		out = append(out, line)
	}
	return out
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
