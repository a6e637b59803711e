package rest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/orders":
			if p := r.URL.Query().Get("page"); p != "1" {
				reply(w, `{"data":[]}`)
				return
			}
			reply(w, `{"data":[{"id":1,"sum":12.50,"note":"a","at":"2024-01-01T00:00:00Z"},{"id":2,"sum":3,"note":null,"at":"2024-01-02T00:00:00Z"}]}`)
		default:
			reply(w, `[{"id":7,"name":"x"}]`)
		}
	})
	taptest.Run(t, New(), object{"url_base": a.URL, "streams": []any{
		object{"name": "orders", "path": "/orders", "records_path": "$.data[*]", "primary_keys": []any{"id"}, "replication_key": "at", "pagination": object{"type": "page"}},
		object{"name": "people", "path": "people", "primary_keys": []any{"id"}},
	}}, taptest.Expect{Rows: map[string]int{"orders": 2, "people": 1}, Resumed: map[string]int{"orders": 1, "people": 1}})
}

func TestNumbersAndLateFieldsArriveAsTheyStand(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("page") {
		case "1":
			reply(w, `[{"id":123456789012345678901234567890,"d":1.10}]`)
		case "2":
			reply(w, "[\n {\n  \"id\": 2, \"d\": 0.1000000000000000000001,\n \"late\": {\"n\": 1.50}}\n]")
		case "3":
			reply(w, `[{"id":3,"d":"text","late":[1,"1"]}]`)
		default:
			reply(w, `[]`)
		}
	})
	got := run(t, object{"url_base": a.URL, "num_inference_records": 1, "streams": []any{object{"name": "n", "pagination": object{"type": "page"}}}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `n {"id":123456789012345678901234567890,"d":1.10}`,
		`n {"id":2,"d":0.1000000000000000000001,"late":{"n":1.50}}`, `n {"id":3,"d":"text","late":[1,"1"]}`)
}

func TestADeselectedColumnLetsNoUnknownOneIn(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `[{"id":1,"name":"n","ssn":"1-2-3"}]`) })
	catalog := filepath.Join(t.TempDir(), "catalog.json")
	if err := os.WriteFile(catalog, []byte(`{"streams":[{"tap_stream_id":"s","stream":"s","schema":{"properties":{"id":{"type":"integer"},"name":{"type":"string"}}},
		"metadata":[{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","name"],"metadata":{"selected":false}}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s"}}}, "", "--catalog", catalog)
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `s {"id":1}`)
}

// Each way of paging reads all pages, and asks for no more than it must.
func TestPaging(t *testing.T) {
	for name, c := range map[string]struct {
		pagination object
		body       any
		asked      []string
	}{
		"page":       {pagination: object{"type": "page", "limit": 2, "limit_param": "per"}, asked: []string{"/?page=1&per=2", "/?page=2&per=2", "/?page=3&per=2"}},
		"page short": {pagination: object{"type": "page", "limit": 2, "stop_at": "short", "start": 1}, asked: []string{"/?page=1", "/?page=2"}},
		// The server gives two at most, whatever limit is asked for.
		"offset":   {pagination: object{"type": "offset", "limit": 50, "limit_param": "limit"}, asked: []string{"/?limit=50&offset=0", "/?limit=50&offset=2", "/?limit=50&offset=3"}},
		"cursor":   {pagination: object{"type": "cursor", "path": "$.next", "param": "after"}, asked: []string{"/", "/?after=2"}},
		"more":     {pagination: object{"type": "cursor", "path": "$.last", "param": "after", "more_path": "$.more"}, asked: []string{"/", "/?after=2"}},
		"link":     {pagination: object{"type": "link"}, asked: []string{"/", "/?after=2"}},
		"next_url": {pagination: object{"type": "next_url", "path": "url"}, asked: []string{"/", "/?after=2"}},
		"body":     {pagination: object{"type": "cursor", "path": "next", "param": "after", "in": "body"}, body: object{"q": "x"}, asked: []string{"/", "/"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
				q, from := r.URL.Query(), 0
				if r.Method == "POST" {
					b := make([]byte, 200)
					n, _ := r.Body.Read(b)
					if strings.Contains(string(b[:n]), `"after":"2"`) {
						from = 2
					}
				}
				fmt.Sscan(q.Get("after"), &from)
				fmt.Sscan(q.Get("offset"), &from)
				if p := 0; q.Get("page") != "" {
					fmt.Sscan(q.Get("page"), &p)
					from = 2 * (p - 1)
				}
				var items []string
				for id := from; id < 3 && id < from+2; id++ {
					items = append(items, fmt.Sprintf(`{"id":%d}`, id))
				}
				next := `"next":null,"url":null,"more":false`
				if from+2 < 3 {
					next = `"next":"2","url":"/?after=2","more":true`
					w.Header().Add("Link", `</?x=1>; rel="prev", <`+"/?after=2"+`>; rel="next"`)
				}
				reply(w, `{"items":[`+strings.Join(items, ",")+`],"last":"2",`+next+`}`)
			})
			s := object{"name": "s", "path": "/", "records_path": "$.items", "schema": object{"properties": object{"id": object{"type": "integer"}}}, "pagination": c.pagination}
			if c.body != nil {
				s["method"], s["body"] = "post", c.body
			}
			got := run(t, object{"url_base": a.URL, "streams": []any{s}}, "")
			if got.err != nil {
				t.Fatal(got.err)
			}
			want(t, got.records, `s {"id":0}`, `s {"id":1}`, `s {"id":2}`)
			var asked []string
			for _, r := range a.requests() {
				asked = append(asked, strings.Fields(r)[1])
			}
			want(t, asked, c.asked...)
		})
	}
}

// An API that ignores the paging parameter would be read for ever.
func TestPagingThatDoesNotMoveIsNoticed(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `{"items":[{"id":1}],"next":"x","url":"/s"}`) })
	for kind, message := range map[string]string{"page": "the same as the page before", "offset": "the same as the page before", "cursor": "the same cursor", "next_url": "links to itself"} {
		got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "records_path": "items", "schema": object{"properties": object{"id": object{}}},
			"pagination": object{"type": kind, "path": map[string]string{"cursor": "next", "next_url": "url"}[kind]}}}}, "")
		if got.err == nil || !strings.Contains(got.err.Error(), message) {
			t.Errorf("%s: %v", kind, got.err)
		}
	}
}

func TestChildrenAreAskedForByParent(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/teams":
			reply(w, `[{"id":"a/b","org":{"n":1}},{"id":"c","org":{"n":2}},{"id":"gone"}]`)
		case "/teams/a/b/people":
			if r.URL.RawPath != "/teams/a%2Fb/people" {
				http.Error(w, "not escaped", 500)
				return
			}
			reply(w, `[{"id":1}]`)
		case "/teams/c/people":
			reply(w, `[{"id":2},{}]`)
		default:
			http.NotFound(w, r)
		}
	})
	people := object{"name": "people", "path": "/teams/{{ parent.id }}/people", "on_status": object{"404": "empty"},
		"parent": object{"stream": "teams", "fields": object{"team": "id", "org": "$.org.n"}}}
	config := object{"url_base": a.URL, "parallelism": 1, "streams": []any{object{"name": "teams", "path": "teams"}, people}}
	got := run(t, config, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records[3:], `people {"id":1,"org":1,"team":"a/b"}`, `people {"id":2,"org":2,"team":"c"}`, `people {"id":null,"org":2,"team":"c"}`)
	if !strings.Contains(got.log, `stream "people": 1 requests were answered 404 and count as empty`) {
		t.Errorf("the empty answer was swallowed:\n%s", got.log)
	}
	delete(people, "on_status")
	if got = run(t, config, ""); got.err == nil || !strings.Contains(got.err.Error(), `stream "people"`) || !strings.Contains(got.err.Error(), "404") || strings.Contains(got.err.Error(), `parent "teams"`) {
		t.Errorf("%v", got.err)
	}
}

func TestBodiesAndAnswersOfOtherKinds(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 500)
		n, _ := r.Body.Read(b)
		switch body := string(b[:n]); r.URL.Path {
		case "/graphql":
			if !strings.Contains(body, `"variables":{"after":null,"n":5}`) {
				reply(w, `{"errors":[{"message":"bad request `+strings.ReplaceAll(body, `"`, "'")+`"}]}`)
				return
			}
			reply(w, `{"data":{"items":[{"id":1}]},"errors":[]}`)
		case "/form":
			if body != "account=47%2F11" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				http.Error(w, body, 400)
				return
			}
			_, _ = w.Write([]byte("id;Duration (hh:mm)\n1;\"a\nb\"\n2;\n"))
		case "/lines":
			_, _ = w.Write([]byte("{\"id\":1.10}\n\n{\"id\":2}"))
		}
	})
	got := run(t, object{"url_base": a.URL, "parallelism": 1, "variables": object{"account": "47/11"}, "streams": []any{
		object{"name": "g", "path": "graphql", "body_format": "graphql", "records_path": "data.items", "body": object{"query": "{...}", "variables": object{"after": "{{ cursor }}", "n": 5}}},
		object{"name": "f", "path": "form", "method": "POST", "body_format": "form", "body": object{"account": "{{ account }}", "since": "{{ start }}"}, "response": "csv", "delimiter": ";"},
		object{"name": "l", "path": "lines", "response": "ndjson"},
	}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `g {"id":1}`, `f {"id":"1","Duration (hh:mm)":"a\nb"}`, `f {"id":"2","Duration (hh:mm)":""}`, `l {"id":1.10}`, `l {"id":2}`)
	got = run(t, object{"url_base": a.URL, "streams": []any{object{"name": "g", "path": "graphql", "body_format": "graphql", "records_path": "data.items", "body": object{"query": "x"}}}}, "")
	if got.err == nil || !strings.Contains(got.err.Error(), "the answer has errors at $.errors: [{\"message\":\"bad request") {
		t.Errorf("%v", got.err)
	}
}
