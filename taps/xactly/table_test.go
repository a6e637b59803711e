package xactly

import (
	"slices"
	"strings"
	"testing"
	"time"

	fake "elt/internal/fake/xactly"
)

// Further tables need their columns named; the rest may be said, too.
func TestFurtherTables(t *testing.T) {
	plans := &fake.Table{Name: "xc_plan", Columns: []string{"PLAN_ID", "NAME", "AMOUNT", "MODIFIED_DATE"}, Rows: [][]string{
		{`1`, `"a"`, `12.50`, at(2)}, {`2`, `true`, `"7"`, at(1)}, {`9007199254740993`, `17`, `""`, `null`}, {`4`, `{"a": 1.50}`, `null`, at(2)}, {`5`, "[\n]", "{\n\"b\":1}", at(3)}}}
	users := &fake.Table{Name: "xc_user", Columns: []string{"USER_ID", "ENABLED"}, Rows: [][]string{{`"u1"`, `"1"`}, {`"u2"`, `null`}, {`"u2"`, `null`}}}
	s := start(t, fake.Behaviour{}, plans, users, fake.Tables(4, "xc_role")[0])
	cfg := config(s, object{"page_size": 2, "streams": []any{
		object{"name": "xc_plan", "key": "PLAN_ID", "columns": []string{"PLAN_ID:i", "NAME", "AMOUNT:number", "MODIFIED_DATE"}},
		object{"name": "xactly.xc_user", "columns": []string{"USER_ID", "ENABLED:string"}},
		object{"name": "xc_role", "replication_key": "", "columns": []string{"ROLE_ID:integer", "NAME"}},
	}})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_plan", nil))
	want := []string{`{"PLAN_ID":2,"NAME":"true","AMOUNT":7,"MODIFIED_DATE":"2021-12-01T12:00:00.000Z"}`, `{"PLAN_ID":1,"NAME":"a","AMOUNT":12.50,"MODIFIED_DATE":"2021-12-02T12:00:00.000Z"}`,
		`{"PLAN_ID":4,"NAME":"{\"a\": 1.50}","AMOUNT":null,"MODIFIED_DATE":"2021-12-02T12:00:00.000Z"}`, `{"PLAN_ID":5,"NAME":"[\n]","AMOUNT":"{\n\"b\":1}","MODIFIED_DATE":"2021-12-03T12:00:00.000Z"}`,
		`{"PLAN_ID":9007199254740993,"NAME":"17","AMOUNT":null,"MODIFIED_DATE":null}`}
	if got.err != nil || !slices.Equal(got.records["xc_plan"], want) {
		t.Errorf("%v\n%s", got.err, strings.Join(got.records["xc_plan"], "\n"))
	}
	if !strings.Contains(got.schemas["xc_plan"], `"AMOUNT":{"type":["null","string"]`) || !slices.Equal(got.keys["xc_plan"], []string{"PLAN_ID"}) {
		t.Error(got.schemas["xc_plan"], got.keys["xc_plan"])
	}
	got = run(t, cfg, "", "--catalog", only(t, cfg, "xactly_xc_user", nil))
	if got.err != nil || len(got.records["xactly_xc_user"]) != 3 || !strings.Contains(strings.Join(s.Statements(), "\n"), "SELECT USER_ID, ENABLED FROM xactly.xc_user ORDER BY USER_ID, ENABLED") {
		t.Error(got.err, got.records, s.Statements())
	}
	got = run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
	if got.err != nil || len(got.records["xc_role"]) != 4 || got.state() != "" {
		t.Error(got.err, got.records, got.state())
	}
}

// A table with a date but without a key is paged by date alone: rows of one
// date stay together, or the stream fails.
func TestATableWithoutKeys(t *testing.T) {
	table := &fake.Table{Name: "xc_log", Columns: []string{"TEXT", "MODIFIED_DATE"}}
	for n := range 30 {
		table.Rows = append(table.Rows, []string{`"x"`, at(1 + n/3)})
	}
	s := start(t, fake.Behaviour{}, table)
	logs := []any{object{"name": "xc_log", "columns": []string{"TEXT", "MODIFIED_DATE"}}}
	cfg := config(s, object{"page_size": 4, "tables": logs, "undated_rows": "never"})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_log", nil))
	if got.err != nil || len(got.records["xc_log"]) != 30 {
		t.Error(got.err, len(got.records["xc_log"]))
	}
	cfg = config(s, object{"page_size": 3, "tables": logs})
	got = run(t, cfg, "", "--catalog", only(t, cfg, "xc_log", nil))
	if got.err == nil || !strings.Contains(got.err.Error(), `stream "xc_log": 3 rows are the same in MODIFIED_DATE`) || len(got.records["xc_log"]) != 0 {
		t.Error(got.err, len(got.records["xc_log"]))
	}
}

func TestStatements(t *testing.T) {
	q := query{table: "xactly.t", columns: []string{"A", "B", "C"}, limit: 5}
	for want, q := range map[string]query{
		"SELECT A, B, C FROM xactly.t LIMIT 5":                        q,
		"SELECT A, B, C FROM xactly.t WHERE B > 1 ORDER BY B LIMIT 5": {q.table, q.columns, nil, []int{1}, []string{"1"}, 5},
		"SELECT A, B, C FROM xactly.t WHERE (A > 1) OR (A = 1 AND B > 2) OR (A = 1 AND B = 2 AND C > '3''') ORDER BY A, B, C LIMIT 5": {q.table, q.columns, nil, []int{0, 1, 2}, []string{"1", "2", "'3'''"}, 5},
		"SELECT A, B, C FROM xactly.t WHERE ((C > ')') OR (C = ')' AND A > '(')) AND (B < 2) ORDER BY C, A":                           {q.table, q.columns, []string{"B < 2"}, []int{2, 0}, []string{"')'", "'('"}, 0},
	} {
		if got := q.String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	for _, c := range []struct {
		cell string
		kind kind
		want string
	}{
		{`220000000000001`, integer, "220000000000001"}, {`2.20000000000001E14`, integer, "220000000000001"}, {`"2.20000000000001E14"`, number, "220000000000001"}, {`-0.50`, number, "-0.50"},
		{`"1E5"`, text, "'1E5'"}, {`1E5`, text, "'100000'"}, {`17`, text, "'17'"}, {`"it's \"\u00e4\""`, text, `'it''s "ä"'`}, {`"x"`, integer, "'x'"}, {`""`, integer, "''"}, {`true`, integer, "'true'"},
	} {
		if got := literal([]byte(c.cell), c.kind); got != c.want {
			t.Errorf("%s: %s, want %s", c.cell, got, c.want)
		}
	}
	moment := time.Date(2021, 12, 1, 5, 0, 0, 120e6, time.UTC)
	for model, want := range map[string]string{"2021-12-02T00:00:00.123Z": "2021-12-01T05:00:00.12Z", "2021-12-02 00:00:00": "2021-12-01 05:00:00.12", "2021-12-02T00:00:00+02:00": "2021-12-01T05:00:00.12+00:00", "2021-12-02": "2021-12-01T05:00:00.12"} {
		if got := alike(model, moment); got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
	}
}
