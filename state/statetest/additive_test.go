package statetest

import "testing"

func TestTakesAway(t *testing.T) {
	for statement, want := range map[string]string{
		"create table elt_x (dropped text) -- no drop here":       "",
		"alter table elt_x add column y text":                     "",
		"alter table elt_x add column y text not null default ''": "",
		"alter table elt_x add column y text not null":            "a column that must be set",
		"-- Nobody reads it.\ndrop table elt_x":                   "drop",
		"alter table elt_x\n  drop column y":                      "drop",
		"alter table elt_x rename to elt_y":                       "rename",
		"alter table elt_x alter column y type bigint":            "alter column",
	} {
		if got := takesAway(statement); got != want {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
	if s := "\n-- unused since schema 7\ndrop table elt_x"; !unusedSince(s, 8) || unusedSince(s, 7) || unusedSince("drop table elt_x", 8) {
		t.Error("what may go")
	}
}
