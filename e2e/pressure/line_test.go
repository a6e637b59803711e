package pressure

import (
	"bufio"
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"elt/internal/pgtest"
)

const long = 100_000_000 // bytes of one text

// A line of 100 MB passes, whoever writes and reads it. Between third-party
// plugins it goes by in pieces; a built-in connector has to hold the row, and
// says so: some times its size, and no more.
func TestALineOf100MBPasses(t *testing.T) {
	const pieces, whole = 128, 1000 // MB that a process may take
	at := pgtest.URL(t)
	for _, c := range []struct {
		tap, target string
		flags       []string
		most        float64
		length      func(t *testing.T, dir string, said string) int
	}{
		{"tap-line", "target-sink", nil, pieces, func(t *testing.T, _, said string) int {
			_, counted, _ := strings.Cut(said, "bytes read, x: ")
			n, _ := strconv.Atoi(strings.Fields(counted + " -")[0])
			return n
		}},
		{"tap-line", "target-jsonl", nil, whole, inFile},
		{"tap-line", "target-sqlite", nil, whole, inSQLite},
		{"tap-line", "target-postgres", nil, whole, inPostgres(at)},
		{"tap-jsonl", "target-jsonl", nil, whole, inFile},
		{"tap-jsonl", "target-sqlite", []string{"--no-fuse"}, whole, inSQLite},
		{"tap-jsonl", "target-postgres", nil, whole, inPostgres(at)},
	} {
		t.Run(c.tap+" "+c.target, func(t *testing.T) {
			dir := project(t, at, at)
			if c.tap == "tap-jsonl" {
				writeLine(t, filepath.Join(dir, "long.jsonl"))
			}
			if c.target == "target-postgres" {
				query(t, at, "drop schema if exists out cascade")
			}
			elt := start(t, dir, append([]string{"run", c.tap, c.target}, c.flags...)...)
			elt.Wait()
			if code := elt.ProcessState.ExitCode(); code != 0 {
				t.Fatalf("exit code %d\n%s", code, elt.said())
			}
			if got := c.length(t, dir, elt.said()); got != long {
				t.Errorf("the text has %d bytes, want %d", got, long)
			}
			for name, mb := range elt.seen.read() {
				t.Logf("%4.0f MB  %s", mb, name)
				if mb > c.most && strings.HasPrefix(name, filepath.Join(bin, "elt ")) { // these plugins hold the line themselves
					t.Errorf("%s took %.0f MB", name, mb)
				}
			}
		})
	}
}

func writeLine(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	out.WriteString(`{"id":1,"pad":"`)
	for range long / 1000 {
		out.Write(bytes.Repeat([]byte("x"), 1000))
	}
	out.WriteString("\"}\n")
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

func inFile(t *testing.T, dir, _ string) int {
	text, err := os.ReadFile(filepath.Join(dir, "out", "flood.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("x"))
}

func inSQLite(t *testing.T, dir, _ string) (n int) {
	db, err := sql.Open("sqlite3", filepath.Join(dir, "out.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("select sum(length(pad)) from flood").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func inPostgres(at string) func(*testing.T, string, string) int {
	return func(t *testing.T, _, _ string) int {
		if got := query(t, at, "select sum(length(pad)) from out.flood"); got != "100000000" {
			t.Errorf("the table has %s characters", got)
			return 0
		}
		return long
	}
}
