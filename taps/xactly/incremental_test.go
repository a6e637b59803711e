package xactly

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	fake "elt/internal/fake/xactly"
)

// roles is xc_role with a row per date; ids count from 1 on.
func roles(dates ...string) *fake.Table {
	table := fake.Tables(len(dates), "xc_role")[0]
	for n, row := range table.Rows {
		row[0], row[slices.Index(table.Columns, "MODIFIED_DATE")] = fmt.Sprint(n+1), dates[n]
	}
	return table
}

func at(day int) string { return fmt.Sprintf(`"2021-12-%02dT12:00:00.000Z"`, day) }

// ids are the first columns of records, as they came.
func ids(t *testing.T, records []string) string {
	t.Helper()
	var out []string
	for _, raw := range records {
		var r struct {
			ID json.Number `json:"ROLE_ID"`
		}
		if err := json.Unmarshal([]byte(raw), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r.ID.String())
	}
	return strings.Join(out, " ")
}

// The second run asks only for what is new, by one statement and one piece.
func TestTheNextRunAsksForWhatIsNew(t *testing.T) {
	table := roles(at(1), at(2), at(3), at(3), "null")
	s := start(t, fake.Behaviour{}, table)
	cfg := config(s, nil)
	catalog := only(t, cfg, "xc_role", nil)
	first := run(t, cfg, "", "--catalog", catalog)
	if first.err != nil || ids(t, first.records["xc_role"]) != "1 2 3 4 5" || len(s.Requests()) != 5 {
		t.Fatal(first.err, first.records, s.Requests())
	}
	if first.state() != `{"bookmarks":{"xc_role":{"replication_key":"MODIFIED_DATE","replication_key_value":"2021-12-03T12:00:00.000Z","undated_read":true}}}` {
		t.Error(first.state())
	}
	s.Forget()
	more := roles(at(1), at(9), at(3), at(3), "null", at(3), at(4)) // 2 changed, 6 has an old date, 7 is new
	s.Change(func(_ *fake.Behaviour, tables *[]*fake.Table) { *tables = []*fake.Table{more} })
	second := run(t, cfg, first.state(), "--catalog", catalog)
	if second.err != nil || ids(t, second.records["xc_role"]) != "3 4 6 7 2" || len(s.Requests()) != 3 {
		t.Error(second.err, second.records, s.Requests())
	}
	if len(s.Statements()) != 1 || !strings.Contains(s.Statements()[0], "(MODIFIED_DATE >= '2021-12-03T12:00:00.000Z') AND (MODIFIED_DATE < '") {
		t.Error(s.Statements())
	}
	// Nothing new: the bookmark stays.
	s.Forget()
	third := run(t, cfg, second.state(), "--catalog", catalog)
	if third.err != nil || ids(t, third.records["xc_role"]) != "2" || third.state() != second.state() || len(s.Requests()) != 3 {
		t.Error(third.err, third.records, third.state())
	}
	// Rows that arrived late are found by the look-back; rows without a date in each run where that is asked for.
	got := run(t, config(s, object{"lookback": 86400 * 6, "undated_rows": "always"}), second.state(), "--catalog", catalog)
	if got.err != nil || ids(t, got.records["xc_role"]) != "3 4 6 7 2 5" || got.state() != third.state() {
		t.Error(got.err, ids(t, got.records["xc_role"]), got.state())
	}
	got = run(t, config(s, object{"undated_rows": "never"}), "", "--catalog", catalog)
	if got.err != nil || ids(t, got.records["xc_role"]) != "1 3 4 6 7 2" {
		t.Error(got.err, got.records)
	}
}

// A run that breaks off goes on behind the last key, although many rows have
// the same date.
func TestABrokenRunIsResumed(t *testing.T) {
	table := roles(slices.Repeat([]string{at(5)}, 25)...)
	s := start(t, fake.Behaviour{}, table)
	cfg := config(s, object{"page_size": 5, "retries": 0})
	catalog := only(t, cfg, "xc_role", nil)
	s.Change(func(b *fake.Behaviour, _ *[]*fake.Table) { b.Faults = []string{"", "", "", "", "", "", "", "500"} })
	first := run(t, cfg, "", "--catalog", catalog)
	if first.err == nil || ids(t, first.records["xc_role"]) != "1 2 3 4 5 6 7 8 9 10 11 12" {
		t.Fatal(first.err, ids(t, first.records["xc_role"]))
	}
	if !strings.Contains(first.state(), `"replication_key_value":"2021-12-05T12:00:00.000Z","after":[12]}`) {
		t.Fatal(first.state())
	}
	second := run(t, cfg, first.state(), "--catalog", catalog)
	if second.err != nil || ids(t, second.records["xc_role"]) != "13 14 15 16 17 18 19 20 21 22 23 24 25" || strings.Contains(second.state(), "after") {
		t.Error(second.err, ids(t, second.records["xc_role"]), second.state())
	}
	// After a complete run, rows of the bookmark's date may be new: all come again.
	third := run(t, cfg, second.state(), "--catalog", catalog)
	if third.err != nil || len(third.records["xc_role"]) != 25 {
		t.Error(third.err, len(third.records["xc_role"]))
	}
}

// Bookmarks of the original tap and of the SDK are understood.
func TestBookmarksOfOthers(t *testing.T) {
	table := roles(at(1), at(2), at(3))
	s := start(t, fake.Behaviour{}, table)
	cfg := config(s, object{"undated_rows": "never"})
	catalog := only(t, cfg, "xc_role", nil)
	for bookmark, want := range map[string]string{
		`{"MODIFIED_DATE": "2021-12-02T12:00:00Z"}`:                                                 "2 3",
		`{"replication_key": "MODIFIED_DATE", "replication_key_value": "2021-12-02T12:00:00.000Z"}`: "2 3",
		`{"replication_key_value": "2021-12-02T12:00Z[UTC]"}`:                                       "2 3",
		`{"replication_key": "CREATED_DATE", "replication_key_value": "2021-12-02T12:00:00Z"}`:      "1 2 3",
		`{"replication_key": "MODIFIED_DATE", "replication_key_value": null}`:                       "1 2 3",
		`{"MODIFIED_DATE": "2021-12-02 12:00:00.000", "after": [1, 2]}`:                             "2 3",
		`{"replication_key_value": "2021-12-02T12:00:00Z", "after": [2]}`:                           "3",
		`{"replication_key_value": "2021-12-02T12:00:00Z", "after": ["0 OR (1 = 1)"]}`:              "2 3",
		`{"replication_key_value": "1960-01-01T00:00:00Z"}`:                                         "1 2 3",
		`{}`: "1 2 3",
	} {
		got := run(t, cfg, `{"bookmarks":{"xc_role":`+bookmark+`}}`, "--catalog", catalog)
		if got.err != nil || ids(t, got.records["xc_role"]) != want {
			t.Errorf("%s: %s %v", bookmark, ids(t, got.records["xc_role"]), got.err)
		}
	}
	got := run(t, cfg, `{"bookmarks":{"xc_role":[1]}}`, "--catalog", catalog)
	if got.err == nil || !strings.Contains(got.err.Error(), "its bookmark cannot be read") {
		t.Error(got.err)
	}
}

// Windows are half open: what one leaves out the next one has. Rows that have
// no date are in none.
func TestWindowsAreHalfOpen(t *testing.T) {
	var dates []string
	for day := 1; day <= 30; day++ {
		dates = append(dates, fmt.Sprintf(`"2021-12-%02dT00:00:00.000Z"`, day), fmt.Sprintf(`"2021-12-%02dT23:59:59.999Z"`, day), "null")
	}
	s := start(t, fake.Behaviour{}, roles(dates...))
	seen := map[string]bool{}
	for day := 1; day <= 30; day += 10 {
		cfg := config(s, object{"page_size": 7, "start_date": fmt.Sprintf("2021-12-%02d", day), "end_date": fmt.Sprintf("2021-12-%02dT00:00:00Z", min(day+10, 31))})
		got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
		if got.err != nil || len(got.records["xc_role"]) != 20 {
			t.Fatal(got.err, len(got.records["xc_role"]))
		}
		for _, record := range got.records["xc_role"] {
			if seen[record] {
				t.Errorf("twice: %s", record)
			}
			seen[record] = true
		}
	}
}

// Rows that are added and changed while the table is read: none is missed, the
// bookmark never passes what was read, and the run ends.
func TestATableThatMoves(t *testing.T) {
	table := roles(slices.Repeat([]string{at(1), at(2), at(2), at(3)}, 10)...)
	date := slices.Index(table.Columns, "MODIFIED_DATE")
	moved := 0
	s := start(t, fake.Behaviour{Grow: func(table *fake.Table) {
		for range 4 { // four rows are modified now, more than a page holds
			table.Rows[moved*7%len(table.Rows)][date] = `"` + time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + `"`
			moved++
		}
		added := slices.Clone(table.Rows[0])
		added[0], added[date] = fmt.Sprint(1000+moved), `"`+time.Now().UTC().Format("2006-01-02T15:04:05.000Z")+`"`
		table.Rows = append(table.Rows, added)
	}}, table)
	cfg := config(s, object{"page_size": 3})
	catalog := only(t, cfg, "xc_role", nil)
	last := map[string]string{}
	keep := func(got result) {
		if got.err != nil {
			t.Fatal(got.err)
		}
		for _, raw := range got.records["xc_role"] {
			last[ids(t, []string{raw})] = canonical(t, raw)
		}
	}
	first := run(t, cfg, "", "--catalog", catalog)
	keep(first)
	if !strings.Contains(first.state(), `"2021-12-0`) {
		t.Errorf("the bookmark is %s", first.state())
	}
	s.Change(func(b *fake.Behaviour, _ *[]*fake.Table) { b.Grow = nil })
	keep(run(t, config(s, object{"page_size": 3, "end_date": "2200-01-01"}), first.state(), "--catalog", catalog))
	var all []string
	for _, raw := range last {
		all = append(all, raw)
	}
	want(t, table, s.Rows("xc_role"), all)
}

// A table with an own replication method, or none of its own, is read whole.
func TestFullTables(t *testing.T) {
	tables := fake.Tables(30)
	s := start(t, fake.Behaviour{}, tables...)
	cfg := config(s, object{"page_size": 8})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_quota_hist", func(entry object) {
		entry["metadata"] = append(entry["metadata"].([]any), object{"breadcrumb": []any{}, "metadata": object{"selected": true, "replication-method": "FULL_TABLE", "table-key-properties": []any{"OBJECT_ID"}}})
		entry["metadata"] = entry["metadata"].([]any)[1:]
	}))
	if got.err != nil || got.state() != "" || strings.Contains(strings.Join(s.Statements(), ""), "MODIFIED_DATE >") {
		t.Error(got.err, got.state(), s.Statements())
	}
	want(t, pick(tables, "xc_quota_hist"), pick(tables, "xc_quota_hist").Rows, got.records["xc_quota_hist"])
	if !strings.HasSuffix(s.Statements()[1], " FROM xactly.xc_quota_hist WHERE OBJECT_ID > 220000000000006 ORDER BY OBJECT_ID LIMIT 8") {
		t.Error(s.Statements()[1])
	}
}

// Columns that were deselected are not asked for, but for those that rows are
// sorted by.
func TestSelection(t *testing.T) {
	table := roles(at(1), at(2), at(3))
	s := start(t, fake.Behaviour{}, table)
	cfg := config(s, object{"undated_rows": "never"})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", func(entry object) {
		entry["metadata"] = []any{object{"breadcrumb": []any{}, "metadata": object{"selected": true, "table-key-properties": []any{"ROLE_ID"}}},
			object{"breadcrumb": []any{"properties", "MODIFIED_DATE"}, "metadata": object{"inclusion": "available", "selected": false}},
			object{"breadcrumb": []any{"properties", "ROLE_ID"}, "metadata": object{"inclusion": "automatic"}},
			object{"breadcrumb": []any{"properties", "NAME"}, "metadata": object{"inclusion": "available", "selected": true}}}
		for _, name := range table.Columns[3:] {
			if name != "MODIFIED_DATE" {
				entry["metadata"] = append(entry["metadata"].([]any), object{"breadcrumb": []any{"properties", name}, "metadata": object{"inclusion": "available", "selected": false}})
			}
		}
		entry["metadata"] = append(entry["metadata"].([]any), object{"breadcrumb": []any{"properties", "VERSION"}, "metadata": object{"inclusion": "available", "selected": false}})
	}))
	if got.err != nil || got.records["xc_role"][1] != `{"ROLE_ID":2,"NAME":"NAME 1 \"ü\"\n'x'"}` {
		t.Error(got.err, got.records)
	}
	if !strings.HasPrefix(s.Statements()[0], "SELECT ROLE_ID, NAME, MODIFIED_DATE FROM xactly.xc_role WHERE") {
		t.Error(s.Statements())
	}
}
