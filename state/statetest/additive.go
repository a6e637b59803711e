package statetest

import (
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// Additive wants a store's migrations, numbered files, to only add: the
// release before goes on working on the new schema, until the last of its
// processes is gone. What is used no more may go when the release before does
// not use it either: its statement then says so, "-- unused since schema 7".
func Additive(t *testing.T, migrations fs.FS) {
	t.Helper()
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("no migrations (%v)", err)
	}
	for _, name := range names {
		number := numberOf(name)
		if number == 1 {
			continue
		}
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";") {
			if why := takesAway(statement); why != "" && !unusedSince(statement, number) {
				t.Errorf("%s: %s, which the release before may need:%s", name, why, statement)
			}
		}
	}
}

func numberOf(name string) int {
	number, _, _ := strings.Cut(path.Base(name), "_")
	n, _ := strconv.Atoi(number)
	return n
}

// takesAway says what of a statement is no addition; "" when all is.
func takesAway(statement string) string {
	var code []string
	for line := range strings.Lines(statement) {
		before, _, _ := strings.Cut(line, "--")
		code = append(code, strings.Fields(strings.ToLower(before))...)
	}
	text := strings.Join(code, " ")
	for _, word := range []string{"drop ", "rename ", "alter column ", "truncate "} {
		if strings.HasPrefix(text, word) || strings.Contains(text, " "+word) {
			return strings.TrimSpace(word)
		}
	}
	if strings.HasPrefix(text, "alter table ") && strings.Contains(text, " not null") && !strings.Contains(text, " default ") {
		return "a column that must be set"
	}
	return ""
}

func unusedSince(statement string, number int) bool {
	m := regexp.MustCompile(`-- unused since schema (\d+)`).FindStringSubmatch(statement)
	if m == nil {
		return false
	}
	since, _ := strconv.Atoi(m[1])
	return since < number
}

// Ahead are the migrations with those of so many releases to come.
func Ahead(t *testing.T, migrations fs.FS, by int) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	newest := 0
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: text}
		newest = max(newest, numberOf(name))
	}
	for range by {
		newest++
		n := strconv.Itoa(newest)
		out[strings.Repeat("0", 5-len(n))+n+"_to_come.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n\ncreate table elt_to_come_" + n +
			" (id text primary key);\nalter table elt_executions add column to_come_" + n + " text not null default '';\n")}
	}
	return out
}
