package rest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
)

func TestMistakesAreExplained(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `[{"ident":1}]`) })
	with := func(more object) object {
		s := object{"name": "s"}
		for k, v := range more {
			s[k] = v
		}
		return object{"url_base": a.URL, "streams": []any{s}}
	}
	for _, c := range []struct {
		config object
		text   string
	}{
		{object{"url_base": a.URL}, "there are no streams"},
		{object{"url_base": "ftp://x", "streams": []any{}}, "which is no URL"},
		{object{"url_base": "https://me:pw@x.com", "streams": []any{}}, "must not hold a user"},
		{object{"url_base": a.URL, "streams": []any{object{"path": "x"}}}, "entry 1 of streams lacks its name"},
		{object{"url_base": a.URL, "streams": []any{object{"name": "s"}, object{"name": "s"}}}, `two streams are called "s"`},
		{with(object{"recods_path": "x"}), `stream "s" has the unknown key "recods_path"|did you mean "records_path"?`},
		{with(object{"records_path": "$..x"}), "searches at any depth"},
		{with(object{"records_path": "$.a[?(@.b)]"}), "is not supported"},
		{with(object{"response": "xml"}), `records_path is missing|$.rows.row names`},
		{with(object{"pagination": object{"type": "pages"}}), `pagination.type is "pages"|did you mean "page"?`},
		{with(object{"pagination": object{"type": "cursor"}}), "needs one of path"},
		{with(object{"on_status": object{"500": "empty"}}), "only codes from 400 to 499"},
		{with(object{"window": object{"slice": "1x"}}), "is no duration"},
		{with(object{"window": object{"slice": "1d"}}), "needs a start_date"},
		{with(object{"start_date": "soon"}), "is no date"},
		{with(object{"parent": object{"stream": "t"}}), `unknown parent "t"`},
		{with(object{"parent": object{"stream": "s"}}), "its own ancestor"},
		{with(object{"params": object{"a": "{{ strat }}"}}), `no variable "strat"|did you mean {{ start }}?`},
		{with(object{"primary_keys": []any{"idnt"}}), `the key "idnt" is no property of its records|did you mean "ident"?`},
		{with(object{"schema": object{"type": "object"}}), "the schema has no properties"},
		{object{"url_base": a.URL, "auth": object{"type": "jwt"}, "streams": []any{object{"name": "s"}}}, "auth.type jwt needs auth.private_key or auth.credentials"},
		{object{"url_base": a.URL, "auth": object{"type": "basik"}, "streams": []any{object{"name": "s"}}}, `must be one of none, basic|did you mean "basic"?`},
		{object{"url_base": a.URL, "auth": object{"type": "bearer"}, "streams": []any{object{"name": "s"}}}, "needs auth.token"},
		{object{"url_base": a.URL, "start_date": "2024-02-01", "end_date": "2024-01-01", "streams": []any{object{"name": "s"}}}, "is not before end_date"},
		{object{"url_base": a.URL, "pagination_request_style": "odd_paginator", "streams": []any{object{"name": "s"}}}, `style "odd_paginator" is not supported`},
		{object{"url_base": a.URL, "pagination_results_limit": 5, "streams": []any{object{"name": "s"}}}, "pagination_results_limit is not supported"},
		{object{"url_base": a.URL, "auth_method": "aws", "streams": []any{object{"name": "s"}}}, "auth.type aws needs auth."},
	} {
		got := run(t, c.config, "")
		text, hint, _ := strings.Cut(c.text, "|")
		if got.err == nil || !strings.Contains(got.err.Error(), text) || !strings.Contains(fault.Render(got.err), hint) {
			t.Errorf("%v\nsays %v\nwant %s", c.config, got.err, c.text)
		}
	}
}

func TestOnEmpty(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `[]`) })
	for policy, seen := range map[string]string{"ok": "", "warn": "no records came", "fail": ""} {
		got := run(t, object{"url_base": a.URL, "on_empty": policy, "streams": []any{object{"name": "s", "primary_keys": []any{"id"}}}}, "")
		if (got.err != nil) != (policy == "fail") || !strings.Contains(got.log, seen) || len(got.schemas) != 1 {
			t.Errorf("%s: %v, %d schemas\n%s", policy, got.err, len(got.schemas), got.log)
		}
	}
}

func TestDefinitionFile(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Shop") != "4711" || r.Header.Get("Authorization") != "Bearer from-the-settings" {
			w.WriteHeader(403)
			return
		}
		reply(w, `{"data":[{"id":1}]}`)
	})
	file := filepath.Join(t.TempDir(), "shop.yml")
	text := "url_base: " + a.URL + `
auth: {type: bearer, token: from-the-file}
variables: {shop: 1}
defaults:
  records_path: $.data[*]
  headers: {X-Shop: "{{ shop }}"}
streams:
- name: orders
  path: /orders
  primary_keys: [id]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, object{"definition": file, "auth": object{"token": "from-the-settings"}, "variables": object{"shop": "4711"}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `orders {"id":1}`)
	if err := os.WriteFile(file, []byte(text+"paging: none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, object{"definition": file}, ""); got.err == nil || !strings.Contains(got.err.Error(), `has the unknown key "paging"`) {
		t.Errorf("%v", got.err)
	}
}

// The settings of tap-rest-api-msdk, as its own examples have them.
func TestTheSettingsOfTapRestAPIMSDK(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != canary || r.Header.Get("X-Extra") != "1" {
			w.WriteHeader(401)
			return
		}
		switch r.URL.Query().Get("next") {
		case "":
			reply(w, `{"rows":[{"id":1,"at":"2024-01-01T00:00:00Z","tags":{"a":1}}],"paging":{"token":"t2"}}`)
		default:
			reply(w, `{"rows":[{"id":2,"at":"2024-01-02T00:00:00Z","tags":null}],"paging":{}}`)
		}
	})
	got := run(t, object{"api_url": a.URL, "auth_method": "api_key", "api_keys": object{"X-Key": canary}, "headers": object{"X-Extra": "1"},
		"next_page_token_path": "$.paging.token", "pagination_next_page_param": "next", "records_path": "$.rows[*]", "num_inference_records": 1,
		"streams": []any{object{"name": "s", "path": "/s", "primary_keys": []any{"id"}, "replication_key": "at", "except_keys": []any{"tags"}, "start_date": "2024-01-01T00:00:00Z",
			"source_search_field": "q", "source_search_query": "gt$last_run_date"}}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `s {"id":1,"at":"2024-01-01T00:00:00Z","tags":{"a":1}}`, `s {"id":2,"at":"2024-01-02T00:00:00Z","tags":null}`)
	if asked := a.requests(); asked[len(asked)-1] != "GET /s?next=t2&q=gt2024-01-01T00%3A00%3A00Z" {
		t.Error(asked)
	}
}

// What tap-rest-api-msdk makes of nested values, and its raw copy.
func TestFlattenedRecords(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, `[{"id":1,"a":{"b-c":{"d.e":1.10},"keep":{"x":[1]}},"list":[{"y":"é"}],"none":{},"null":null}]`)
	})
	config := object{"api_url": a.URL, "flatten": true, "except_keys": []any{"a_keep"}, "store_raw_json_message": true, "streams": []any{object{"name": "s", "primary_keys": []any{"id"}}}}
	got := run(t, config, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `s {"id":1,"a_b_c_d_e":1.10,"a_keep":"{\"x\":[1]}","list":"[{\"y\":\"é\"}]","null":null,"_sdc_raw_json":{"id":1,"a":{"b-c":{"d.e":1.10},"keep":{"x":[1]}},"list":[{"y":"é"}],"none":{},"null":null}}`)
	delete(config, "flatten")
	delete(config, "except_keys")
	got = run(t, config, "")
	want(t, got.records, `s {"id":1,"a":{"b-c":{"d.e":1.10},"keep":{"x":[1]}},"list":[{"y":"é"}],"none":{},"null":null,"_sdc_raw_json":{"id":1,"a":{"b-c":{"d.e":1.10},"keep":{"x":[1]}},"list":[{"y":"é"}],"none":{},"null":null}}`)
}

// A next page that nobody asks for would be rows lost in silence.
func TestAnAnswerThatNamesANextPage(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/link" {
			w.Header().Set("Link", `<http://x/2>; rel="next"`)
		}
		reply(w, `{"rows":[{"id":1}],"next_page":"t2"}`)
	})
	for _, path := range []string{"/body", "/link"} {
		stream := object{"name": "s", "path": path, "records_path": "$.rows[*]"}
		config := object{"url_base": a.URL, "streams": []any{stream}}
		if got := run(t, config, ""); got.err == nil || !strings.Contains(got.err.Error(), "names a next page") {
			t.Errorf("%s: %v", path, got.err)
		}
		stream["pagination"] = object{"type": "none"}
		if got := run(t, config, ""); got.err != nil {
			t.Errorf("%s: %v", path, got.err)
		}
	}
}
