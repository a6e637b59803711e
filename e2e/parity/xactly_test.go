package parity

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/fake/xactly"
)

// All tables of Xactly go into SQLite in one run, whatever goes wrong on the
// way, and a second run adds what is new: the rows there are those of the
// source, one for one.
func TestAllOfXactlyIntoSQLiteTwice(t *testing.T) {
	tables := xactly.Tables(90)
	faults := map[int]string{17: "429", 19: "cut", 23: "503", 29: "expired", 31: "shrunk", 37: "short", 41: "reset"}
	server := xactly.Start(xactly.Behaviour{PerToken: 43, Piece: 17, Floats: true, Location: "relative", Every: faults}, tables...)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	text := fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-xactly
    config: {user: %s, password: %q, client_id: %s, consumer: %s, url_base: %q, page_size: 40, retry_pause: 0.001}
  loaders:
  - name: target-sqlite
    config: {database: out.db}
`, xactly.User, xactly.Password, xactly.ClientID, xactly.Consumer, server.URL)
	if err := os.WriteFile(filepath.Join(dir, "elt.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		cmd := exec.Command(elt, "run", "tap-xactly", "target-sqlite")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	said := run()
	compareXactly(t, filepath.Join(dir, "out.db"), tables, 1)
	more := xactly.Tables(100)
	server.Change(func(b *xactly.Behaviour, have *[]*xactly.Table) {
		for n, table := range *have {
			kept := slices.DeleteFunc(more[n].Rows[90:], func(row []string) bool {
				return slices.Contains(row, "null") && slices.Contains(table.Columns, "MODIFIED_DATE")
			})
			table.Rows = append(table.Rows, kept...)
		}
	})
	said += run()
	compareXactly(t, filepath.Join(dir, "out.db"), tables, 2)
	if strings.Contains(said, "canary") {
		t.Errorf("a secret is shown:\n%s", said)
	}
}

// compareXactly wants the rows of the tables in the database; those without a
// key came with each of the runs.
func compareXactly(t *testing.T, path string, tables []*xactly.Table, runs int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range tables {
		have := map[string]int{}
		rows, err := db.Query("select " + strings.Join(table.Columns, ", ") + " from " + table.Name)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := make([]sql.NullString, len(table.Columns))
			into := make([]any, len(cells))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			line := ""
			for _, c := range cells {
				line += shown(c.String, c.Valid)
			}
			have[line]++
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		wanted := map[string]int{}
		for n, row := range table.Rows {
			line := ""
			for _, cell := range row {
				var text string
				if json.Unmarshal([]byte(cell), &text) != nil {
					text = cell
				}
				line += shown(text, cell != "null")
			}
			wanted[line]++
			if strings.HasSuffix(table.Name, "_summary") && runs == 2 && n < 90 {
				wanted[line]++
			}
		}
		for line, n := range wanted {
			if have[line] != n {
				t.Errorf("%s: %d times, want %d: %s", table.Name, have[line], n, line)
			}
		}
		if len(have) != len(wanted) {
			t.Errorf("%s: %d rows, want %d", table.Name, len(have), len(wanted))
		}
	}
}

// shown is a value as text; numbers are what they are worth.
func shown(text string, valid bool) string {
	if !valid {
		return "NULL|"
	}
	if n, ok := new(big.Rat).SetString(text); ok {
		return n.RatString() + "|"
	}
	return fmt.Sprintf("%q|", text)
}
