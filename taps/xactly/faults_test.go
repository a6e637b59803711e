package xactly

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	fake "elt/internal/fake/xactly"
)

// What passes is met by trying again: rows come whole, and each once.
func TestPassingFaults(t *testing.T) {
	tables := fake.Tables(60)
	for _, fault := range []string{"429", "500", "503", "cut", "reset", "expired", "shrunk", "short"} {
		s := start(t, fake.Behaviour{Piece: 10}, tables...)
		for _, name := range []string{"xc_position_hist", "xc_quota_summary"} {
			cfg := config(s, object{"page_size": 25})
			s.Change(func(b *fake.Behaviour, _ *[]*fake.Table) {
				b.Faults = []string{"", "", fault, "", fault, fault, "", "", "", fault, "", "", "", "", "", fault}
			})
			got := run(t, cfg, "", "--catalog", only(t, cfg, name, nil))
			if got.err != nil {
				t.Errorf("%s: %v", fault, got.err)
				continue
			}
			want(t, pick(tables, name), pick(tables, name).Rows, got.records[name])
		}
	}
}

func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	s := start(t, fake.Behaviour{Faults: []string{"hang"}}, fake.Tables(5)...)
	cfg := config(s, object{"request_timeout": 0.05})
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
	if got.err != nil || len(got.records["xc_role"]) != 5 || !strings.Contains(got.log, "the server was silent") {
		t.Error(got.err, got.log)
	}
}

// A token that ran out is replaced once per refusal; one that is never taken
// ends the run.
func TestTokensExpire(t *testing.T) {
	for _, silent := range []bool{false, true} {
		tables := fake.Tables(40)
		s := start(t, fake.Behaviour{PerToken: 3, Silent: silent}, tables...)
		got := run(t, config(s, object{"page_size": 10}), "")
		if got.err != nil || s.Tokens() < 20 {
			t.Fatal(got.err, s.Tokens())
		}
		for _, table := range tables {
			want(t, table, table.Rows, got.records[table.Name])
		}
		if strings.Contains(got.log, "canary") {
			t.Errorf("a secret is in the log:\n%s", got.log)
		}
	}
	s := start(t, fake.Behaviour{PerToken: -1}, fake.Tables(3)...)
	s.Change(func(b *fake.Behaviour, _ *[]*fake.Table) { b.PerToken = 1; b.Every = map[int]string{1: "401"} })
	cfg := config(s, nil)
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
	if got.err == nil || !strings.Contains(got.err.Error(), `stream "xc_role": the login is refused: POST `+s.URL+`/api/connect/v1/xdbc/execute answers 401`) || s.Tokens() != 2 {
		t.Error(got.err, s.Tokens())
	}
}

// The place of a result is written in several ways, and url_base too.
func TestLocations(t *testing.T) {
	table := fake.Tables(12, "xc_role")[0]
	for _, location := range []string{"", "api", "absolute", "relative"} {
		for _, base := range []string{"", "/", "/api", "/api/"} {
			s := start(t, fake.Behaviour{Location: location}, table)
			cfg := config(s, object{"url_base": s.URL + base})
			got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
			if got.err != nil || len(got.records["xc_role"]) != 12 {
				t.Errorf("%q %q: %v", location, base, got.err)
			}
		}
	}
}

// A service may give fewer rows at once than it was asked for, and may cut
// results in silence.
func TestCaps(t *testing.T) {
	table := fake.Tables(2600, "xc_role")[0]
	s := start(t, fake.Behaviour{Piece: 7}, table)
	cfg := config(s, object{"page_size": 100})
	few := fake.Tables(90, "xc_role")[0]
	s.Change(func(_ *fake.Behaviour, tables *[]*fake.Table) { *tables = []*fake.Table{few} })
	got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, few, few.Rows, got.records["xc_role"])
	s = start(t, fake.Behaviour{Cap: 1100}, table)
	cfg = config(s, nil)
	got = run(t, cfg, "", "--catalog", only(t, cfg, "xc_role", nil))
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, table, table.Rows, got.records["xc_role"])
}

func TestMistakesAreExplained(t *testing.T) {
	s := start(t, fake.Behaviour{}, fake.Tables(3, "xc_role")[0])
	for text, more := range map[string]object{
		"the login is refused: POST " + s.URL + "/api/oauth2/token answers 401": {"password": "canary-wrong"},
		`setting "consumer" is missing`:                                         {"consumer": nil},
		"is not before end_date":                                                {"start_date": "2022-02-01", "end_date": "2022-01-01"},
		`end_date is "soon", which is no date`:                                  {"end_date": "soon"},
		"page_size is 1,":                                                       {"page_size": 1},
		"url_base is no URL of a server":                                        {"url_base": "xactly"},
		`must be one of once, always, never`:                                    {"undated_rows": "often"},
		`stream "xc_plan": the setting tables does not name its col`:            {"tables": []any{object{"name": "xc_plan"}}},
		`tables: xc_plan has no column "PLAN", which is to be its k`:            {"tables": []any{object{"name": "xc_plan", "keys": "PLAN", "columns": []string{"PLAN_ID"}}}},
		`"PLAN_ID:int8" is no column`:                                           {"tables": []any{object{"name": "xc_plan", "columns": []string{"PLAN_ID:int8"}}}},
		`tables has "xc plan", which is no name`:                                {"tables": []any{object{"name": "xc plan", "columns": []string{"PLAN_ID"}}}},
		"two tables make a stream called":                                       {"tables": []any{object{"name": "xc.role", "columns": []string{"A"}}}},
		"the settings do not have the expected shape":                           {"tables": []any{1}},
		`stream "xc_credit": the service refuses the query`:                     {},
	} {
		got := run(t, config(s, more), "")
		if got.err == nil || !strings.Contains(got.err.Error(), text) || strings.Contains(got.err.Error()+got.log, "canary") {
			t.Errorf("%v\nwant %s", got.err, text)
		}
	}
	// What the account has arrives nevertheless.
	if got := run(t, config(s, nil), ""); len(got.records["xc_role"]) != 3 || strings.Count(got.err.Error(), "the service refuses") != 29 {
		t.Error(got.err)
	}
}

// A shape that changed is named by its JSON path and stream.
func TestShapesAreChecked(t *testing.T) {
	for fault, text := range map[string]string{
		"cells":  "$.data.rows[4] has 13 values for 14 columns",
		"object": "$.data.rows[4] is no array",
		"moved":  "there is no array at $.data.rows",
		"html":   "the answer is no JSON object",
	} {
		s := start(t, fake.Behaviour{Faults: []string{"", fault}}, fake.Tables(5)...)
		cfg := config(s, nil)
		got := run(t, cfg, "", "--catalog", only(t, cfg, "xc_attainment_measure", nil))
		if got.err == nil || !strings.Contains(got.err.Error(), text) || !strings.HasPrefix(got.err.Error(), `stream "xc_attainment_measure": GET `+s.URL+"/api/connect/v1/xdbc/r1: ") {
			t.Errorf("%s: %v", fault, got.err)
		}
	}
	for doc, text := range map[string]string{
		``: "no JSON object", `[]`: "no JSON object", `{"data":{"rows":[}`: "no JSON", `{"data":[]}`: "no object at $.data", `{"data":{"rows":{},"totalRows":0}}`: "no array at $.data.rows",
		`{"data":{"rows":[]}}`: "no number at $.data.totalRows", `{"data":{"rows":[],"totalRows":"many"}}`: "no number at $.data.totalRows", `{"data":{"rows":null,"totalRows":3}}`: "no array at $.data.rows",
	} {
		if _, _, err := shape([]byte(doc)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", doc, err)
		}
	}
	if rows, total, err := shape([]byte(`{"x":1,"data":{"totalRows":"2","rows":[[1],[2]]}}`)); err != nil || total != 2 || string(rows) != "[[1],[2]]" {
		t.Errorf("%s %d %v", rows, total, err)
	}
}

// Every number of the service's may be at fault at any moment, in one run.
func TestFaultsTogether(t *testing.T) {
	tables := fake.Tables(60)
	for seed := range 2 {
		s := start(t, fake.Behaviour{PerToken: 41 + seed, Location: []string{"", "api", "absolute", "relative"}[seed%4], Silent: seed%2 == 0, Piece: 13 + seed,
			Every: map[int]string{17 + seed: "429", 19: "cut", 23: "503", 29 + seed: "expired", 31: "shrunk", 37: "short", 41: "reset"}}, tables...)
		got := run(t, config(s, object{"page_size": 50, "parallelism": 4}), "")
		if got.err != nil {
			t.Fatal(got.err)
		}
		for _, table := range tables {
			want(t, table, table.Rows, got.records[table.Name])
		}
	}
}

// A result without key is passed over up to where it was lost, unless the
// table has changed.
func TestAKeylessTableThatChangesIsNotGuessed(t *testing.T) {
	table := fake.Tables(50, "xc_credit_summary")[0]
	grown := slices.Clone(table.Rows[0])
	grown[0] = fmt.Sprint(1)
	n := 0
	s := start(t, fake.Behaviour{Pieces: 3, Piece: 10, Grow: func(table *fake.Table) {
		if n++; n == 2 {
			table.Rows[49] = grown
		}
	}}, table)
	cfg := config(s, nil)
	got := run(t, cfg, "", "--catalog", only(t, cfg, table.Name, nil))
	if got.err == nil || !strings.Contains(got.err.Error(), "the table changed after 30 of its rows") {
		t.Error(got.err, len(got.records[table.Name]))
	}
}
