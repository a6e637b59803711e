package foreign

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

// database is a destination that tests can look into. Values come as text,
// NULL as "∅".
type database interface {
	name() string
	config(t *testing.T) map[string]any // of our target, MeltanoLabs' dialect
	query(t *testing.T, q string) [][]string
	exec(t *testing.T, q string)
	table(stream string) string
}

const null = "∅"

// destinations are fresh databases of both kinds.
func destinations(t *testing.T) []database {
	return []database{&sqlite{path: filepath.Join(t.TempDir(), "out.db")}, &postgres{url: pgtest.URL(t)}}
}

type sqlite struct{ path string }

func (s *sqlite) name() string { return "sqlite" }
func (s *sqlite) config(*testing.T) map[string]any {
	return map[string]any{"database": s.path, "add_record_metadata": true}
}
func (s *sqlite) table(stream string) string { return quote(stream) }

func (s *sqlite) query(t *testing.T, q string) [][]string {
	t.Helper()
	db, err := sql.Open("sqlite3", s.path)
	if err != nil {
		t.Fatal(err)
	}
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

func (s *sqlite) exec(t *testing.T, q string) {
	t.Helper()
	db, err := sql.Open("sqlite3", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

type postgres struct{ url string }

func (p *postgres) name() string { return "postgres" }

func (p *postgres) config(t *testing.T) map[string]any {
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"host": u.Hostname(), "port": u.Port(), "user": u.User.Username(), "password": "unused",
		"database": strings.TrimPrefix(u.Path, "/"), "default_target_schema": "melty", "add_record_metadata": true,
	}
}
func (p *postgres) table(stream string) string { return "melty." + quote(stream) }

func (p *postgres) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (p *postgres) query(t *testing.T, q string) [][]string {
	t.Helper()
	ctx := context.Background()
	conn := p.connect(t)
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, q).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	var out [][]string
	for _, row := range results[len(results)-1].Rows {
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

func (p *postgres) exec(t *testing.T, q string) {
	t.Helper()
	ctx := context.Background()
	conn := p.connect(t)
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
