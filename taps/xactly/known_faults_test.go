package xactly

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	fake "elt/internal/fake/xactly"
)

// The faults that the original tap is known for, (a) to (e).

// (a) A date that stays fixed while the key advances skips rows behind the
// first page: those with a later date and a smaller key.
func TestFaultAPagesSkipNoRows(t *testing.T) {
	table := fake.Tables(100, "xc_credit")[0]
	date, key := slices.Index(table.Columns, "MODIFIED_DATE"), slices.Index(table.Columns, "CREDIT_ID")
	for n, row := range table.Rows { // the latest rows have the smallest ids
		row[date], row[key] = fake.Date(n/3), fmt.Sprint(220000000000000-n)
	}
	s := start(t, fake.Behaviour{}, table)
	for _, size := range []int{2, 3, 10, 99, 100, 101} {
		got := run(t, config(s, object{"page_size": size}), "", "--catalog", only(t, config(s, nil), "xc_credit", nil))
		if got.err != nil {
			t.Fatalf("page_size %d: %v", size, got.err)
		}
		want(t, table, table.Rows, got.records["xc_credit"])
	}
	if first := s.Statements()[1]; !strings.Contains(first, "WHERE ((MODIFIED_DATE > '2021-03-01T00:00:00.123Z') OR (MODIFIED_DATE = '2021-03-01T00:00:00.123Z' AND CREDIT_ID > ") {
		t.Error(first)
	}
}

// (b) An error is not met by connecting for ever: retries are counted, and the
// error says which table it was.
func TestFaultBFailuresEndAndNameTheTable(t *testing.T) {
	tables := fake.Tables(3)
	s := start(t, fake.Behaviour{Every: map[int]string{1: "503"}}, tables...)
	cfg := config(s, object{"retries": 4})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_quota_hist", nil))
	if got.err == nil || !strings.Contains(got.err.Error(), `stream "xc_quota_hist": after 5 attempts: POST `+s.URL+`/api/connect/v1/xdbc/execute answers 503`) {
		t.Error(got.err)
	}
	if n := len(s.Statements()); len(s.Requests()) != 6 || n != 0 {
		t.Errorf("%d requests, %d statements", len(s.Requests()), n)
	}
	// A result that is lost again and again is not asked for for ever, either.
	s = start(t, fake.Behaviour{Every: map[int]string{2: "expired"}}, tables...)
	got = run(t, config(s, nil), "", "--catalog", only(t, config(s, nil), "xc_quota_hist", nil))
	if got.err == nil || !strings.Contains(got.err.Error(), `stream "xc_quota_hist": 3 times in a row: the service lost the result`) || len(s.Statements()) != 3 {
		t.Error(got.err, len(s.Statements()))
	}
}

// (c) No record gets into the log or into an error, not even one that cannot
// be read.
func TestFaultCNoRecordIsLogged(t *testing.T) {
	table := fake.Tables(30, "xc_credit")[0]
	for _, row := range table.Rows {
		row[slices.Index(table.Columns, "NAME")] = `"canary-name"`
		row[slices.Index(table.Columns, "AMOUNT")] = `"canary-amount"`
	}
	for _, fault := range []string{"", "cells", "object", "moved", "cut", "short", "shrunk", "expired", "503"} {
		s := start(t, fake.Behaviour{Faults: []string{"", fault, "", fault, "", fault}}, table)
		got := run(t, config(s, object{"page_size": 10}), "", "--catalog", only(t, config(s, nil), "xc_credit", nil))
		if fault == "" && (got.err != nil || len(got.records["xc_credit"]) != 30) {
			t.Error(got.err)
		}
		if strings.Contains(got.log+fmt.Sprint(got.err), "canary") {
			t.Errorf("%s: %v\n%s", fault, got.err, got.log)
		}
	}
}

// (d) Keys tell apart what is different: adjustments of one credit, versions
// of one entity.
func TestFaultDKeysLoseNoRow(t *testing.T) {
	tables := fake.Tables(40)
	s := start(t, fake.Behaviour{}, tables...)
	got := run(t, config(s, object{"page_size": 9}), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	for _, table := range tables {
		keys := got.keys[table.Name]
		if len(keys) == 0 {
			if !strings.HasSuffix(table.Name, "_summary") {
				t.Errorf("%s has no key", table.Name)
			}
			continue
		}
		if strings.HasSuffix(table.Name, "_hist") && !(slices.Contains(keys, "OBJECT_ID") && slices.Contains(keys, "VERSION")) {
			t.Errorf("%s: key %q", table.Name, keys)
		}
		seen := map[string]bool{}
		for _, row := range table.Rows {
			id := ""
			for _, key := range keys {
				id += row[slices.Index(table.Columns, key)] + " "
			}
			if seen[id] {
				t.Fatalf("%s: two rows have the key %q = %s", table.Name, keys, id)
			}
			seen[id] = true
		}
		want(t, table, table.Rows, got.records[table.Name])
	}
	if keys := got.keys["xc_credit_adjustment"]; !slices.Equal(keys, []string{"CREDIT_ADJUSTMENT_ID"}) {
		t.Errorf("%q", keys)
	}
	// With the original key, rows would be lost in the target: that is said.
	original := config(s, object{"tables": []any{object{"name": "xc_credit_adjustment", "keys": "CREDIT_ID"}}})
	got = run(t, original, "", "--catalog", only(t, original, "xc_credit_adjustment", nil))
	if got.err == nil || !strings.Contains(got.err.Error(), `stream "xc_credit_adjustment": rows that differ have the same key, CREDIT_ID`) {
		t.Error(got.err)
	}
}

// (e) Ids that are texts are compared as texts, large ones keep every digit
// whatever the service makes of them.
func TestFaultEKeysOfEveryKind(t *testing.T) {
	texts := fake.Tables(90, "xc_quota_relationship")[0]
	for n, id := range []string{`"0"`, `""`, `"-1"`, `"10"`, `"9"`, `"1E5"`, `"it's"`, `"'"`, `"a\\b"`, `"Ä"`} {
		texts.Rows[n][0] = id
	}
	large := fake.Tables(90, "xc_credit")[0]
	for _, floats := range []bool{false, true} {
		s := start(t, fake.Behaviour{Floats: floats}, texts, large)
		cfg := config(s, object{"page_size": 7})
		for _, table := range []*fake.Table{texts, large} {
			got := run(t, cfg, "", "--catalog", only(t, cfg, table.Name, nil))
			if got.err != nil {
				t.Fatal(got.err)
			}
			want(t, table, table.Rows, got.records[table.Name])
			for _, statement := range s.Statements() {
				if _, after, ok := strings.Cut(statement, "CREDIT_ID > "); ok && !strings.HasPrefix(after, "2200000000000") {
					t.Error(statement)
				}
			}
		}
	}
}
