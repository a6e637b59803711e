package rest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var idSchema = object{"properties": object{"id": object{"type": "integer"}}}

// idsOf are the ids of records.
func idsOf(records []string) (out []string) {
	for _, r := range records {
		_, id, _ := strings.Cut(r, `"id":`)
		out = append(out, id[:strings.IndexAny(id, ",}")])
	}
	return out
}

func TestGraphQLPagesByACursorAmongItsVariables(t *testing.T) {
	for name, more := range map[string]object{
		"a template":  {"body": object{"query": "{orders}", "variables": object{"after": "{{ cursor }}", "first": 2}}, "pagination": object{}},
		"a parameter": {"body": object{"query": "{orders}", "variables": object{"first": 2, "after": nil}}, "pagination": object{"in": "body", "param": "variables.after"}},
	} {
		a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			switch string(raw) {
			case `{"query":"{orders}","variables":{"after":null,"first":2}}`:
				reply(w, `{"data":{"orders":{"nodes":[{"id":1},{"id":2}],"pageInfo":{"endCursor":"c2","hasNextPage":true}}}}`)
			case `{"query":"{orders}","variables":{"after":"c2","first":2}}`:
				reply(w, `{"data":{"orders":{"nodes":[{"id":3}],"pageInfo":{"endCursor":"c3","hasNextPage":false}}}}`)
			default:
				reply(w, `{"errors":[{"message":"what is `+strings.ReplaceAll(string(raw), `"`, "'")+`"}]}`)
			}
		})
		paging := more["pagination"].(object)
		paging["type"], paging["path"], paging["more_path"] = "cursor", "$.data.orders.pageInfo.endCursor", "$.data.orders.pageInfo.hasNextPage"
		got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "body_format": "graphql", "body": more["body"], "records_path": "$.data.orders.nodes[*]", "schema": idSchema, "pagination": paging}}}, "")
		if got.err != nil {
			t.Fatal(name, got.err)
		}
		want(t, idsOf(got.records), "1", "2", "3")
		want(t, a.requests(), "POST /", "POST /")
	}
}

// The cursor may be in the last record, or in a header.
func TestOtherCursors(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.FormValue("after"))
		if r.URL.Path == "/csv" {
			if after < 2 {
				w.Header().Set("X-Next", fmt.Sprint(after+1))
			}
			reply(w, fmt.Sprintf("id\n%d\n", after))
			return
		}
		var rows []string
		for id := after + 1; id <= min(after+2, 5); id++ {
			rows = append(rows, fmt.Sprintf(`{"id":%d}`, id))
		}
		reply(w, "["+strings.Join(rows, ",")+"]")
	})
	paging := func(more object) object {
		more["type"], more["param"] = "cursor", "after"
		return more
	}
	got := run(t, object{"url_base": a.URL, "parallelism": 1, "streams": []any{
		object{"name": "last", "path": "last", "schema": idSchema, "pagination": paging(object{"record_path": "$.id"})},
		object{"name": "header", "path": "csv", "response": "csv", "schema": idSchema, "pagination": paging(object{"header": "X-Next"})},
	}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, idsOf(got.records), "1", "2", "3", "4", "5", "0", "1", "2")
}

// events has one event per minute of a day, and gives at most 100 of a window
// in pages of 20; it is too slow for more than so many.
func events(total bool, slow, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, _ := time.Parse(time.RFC3339, r.FormValue("from"))
		to, err := time.Parse(time.RFC3339, r.FormValue("to"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		var rows []string
		for n := range 1440 {
			if at := day.Add(time.Duration(n) * time.Minute); !at.Before(from) && !at.After(to) { // the API takes its end for inclusive
				rows = append(rows, fmt.Sprintf(`{"id":%d,"at":"%s"}`, n, at.Format(time.RFC3339)))
			}
		}
		all := len(rows)
		if slow > 0 && all > slow {
			<-r.Context().Done()
			return
		}
		if status > 0 && all > 100 {
			w.WriteHeader(status)
			return
		}
		rows = rows[:min(100, all)]
		offset, _ := strconv.Atoi(r.FormValue("offset"))
		text := strings.Join(rows[min(offset, len(rows)):min(offset+20, len(rows))], ",")
		if total {
			reply(w, fmt.Sprintf(`{"rows":[%s],"count":%d}`, text, all))
			return
		}
		reply(w, `{"rows":[`+text+`]}`)
	}
}

// A window of which the API gives no more than so many records is halved until
// all of them come, each once.
func TestWindowsAreHalvedOnCaps(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		more  object
		total string
	}{
		"a cap":         {events(false, 0, 0), object{"cap": 100}, ""},
		"a total":       {events(true, 0, 0), object{"cap": 100}, "$.count"},
		"a status":      {events(false, 0, 422), object{"cap_status": []any{422}}, ""},
		"a time-out":    {events(false, 100, 0), object{"cap": 1000}, ""},
		"slices beside": {events(false, 0, 0), object{"cap": 100, "slice": "6h"}, ""},
	} {
		a := serveAPI(t, c.serve)
		window := object{"start_param": "from", "end_param": "to"}
		for k, v := range c.more {
			window[k] = v
		}
		paging := object{"type": "offset"}
		if c.total != "" {
			paging["total_path"] = c.total
		}
		config := object{"url_base": a.URL, "request_timeout": 0.2, "end_date": "2024-01-02", "streams": []any{object{"name": "e", "records_path": "$.rows[*]", "start_date": "2024-01-01", "replication_key": "at",
			"window": window, "pagination": paging, "schema": object{"properties": object{"id": object{"type": "integer"}, "at": object{"type": "string", "format": "date-time"}}}}}}
		got := run(t, config, "")
		if got.err != nil {
			t.Fatal(name, got.err)
		}
		seen := map[string]bool{}
		for _, id := range idsOf(got.records) {
			seen[id] = true
		}
		if len(seen) != 1440 || len(got.records) != 1440 || !strings.Contains(got.state(), "2024-01-01T23:59:00Z") {
			t.Errorf("%s: %d records, %d different, %s", name, len(got.records), len(seen), got.state())
		}
		window["shortest"] = "12h"
		if got := run(t, config, ""); name != "slices beside" && (got.err == nil || len(got.records) > 0 || name != "a time-out" && name != "a status" && !strings.Contains(got.err.Error(), "cannot be halved any more")) {
			t.Errorf("%s, never shorter: %v, %d records", name, got.err, len(got.records))
		}
	}
}

// shop has customers, and notes of each in two pages; so many requests are on
// their way at the same time at most.
type shop struct {
	mu       sync.Mutex
	now, top int
	gate     chan struct{} // answers wait for it
	broken   map[string]int
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.FormValue("page"))
	if r.URL.Path == "/customers" {
		var rows []string
		for id := (page-1)*4 + 1; id <= min(page*4, 10); id++ {
			rows = append(rows, fmt.Sprintf(`{"id":%d}`, id))
		}
		reply(w, fmt.Sprintf(`{"rows":[%s],"count":10}`, strings.Join(rows, ",")))
		return
	}
	s.mu.Lock()
	s.now++
	s.top = max(s.top, s.now)
	status := s.broken[r.URL.Path]
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	if s.gate != nil {
		<-s.gate
	}
	switch {
	case status > 0:
		w.WriteHeader(status)
	case page > 2:
		reply(w, `{"rows":[]}`)
	default:
		reply(w, fmt.Sprintf(`{"rows":[{"n":%d,"at":"2024-01-0%dT00:00:00Z"}]}`, page, page))
	}
}

func shopConfig(url string, notes object) object {
	n := object{"name": "notes", "path": "/customers/{{ parent.id }}/notes", "primary_keys": []any{"customer", "n"}, "parent": object{"stream": "customers", "fields": object{"customer": "$.id"}},
		"schema": object{"properties": object{"customer": object{"type": "integer"}, "n": object{"type": "integer"}, "at": object{"type": "string"}}}}
	for k, v := range notes {
		n[k] = v
	}
	return object{"url_base": url, "parallelism": 1, "retries": 0, "defaults": object{"records_path": "$.rows[*]", "pagination": object{"type": "page"}},
		"streams": []any{object{"name": "customers", "path": "/customers", "schema": idSchema}, n}}
}

// Children of several parents are asked for at the same time, and come in
// their parents' order all the same.
func TestChildrenAtTheSameTime(t *testing.T) {
	var sequential []string
	for _, concurrency := range []int{1, 4} {
		s := &shop{}
		if concurrency > 1 {
			s.gate = make(chan struct{})
			go func() {
				for !func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.now == concurrency }() {
					time.Sleep(time.Millisecond)
				}
				close(s.gate) // so many wait together
			}()
		}
		a := serveAPI(t, s.ServeHTTP)
		got := run(t, shopConfig(a.URL, object{"concurrency": concurrency, "replication_key": "at"}), "")
		if got.err != nil || len(got.records) != 30 || s.top != concurrency || !strings.Contains(got.state(), `"replication_key_value":"2024-01-02T00:00:00Z"`) {
			t.Fatalf("%d: %v, %d records, %d together, %s", concurrency, got.err, len(got.records), s.top, got.state())
		}
		if sequential == nil {
			sequential = got.records
		}
		want(t, got.records, sequential...)
	}
}

// Where answers say how many records there are, pages are asked for before
// their turn, and never behind the end.
func TestPagesAtTheSameTime(t *testing.T) {
	for _, kind := range []string{"page", "offset"} {
		var now, top atomic.Int32
		var open sync.Once
		gate := make(chan struct{})
		a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
			at, _ := strconv.Atoi(r.FormValue(kind))
			if kind == "page" {
				at = (at - 1) * 10
			}
			if at > 0 {
				n := now.Add(1)
				defer now.Add(-1)
				if n >= 3 {
					open.Do(func() { top.Store(n); close(gate) })
				}
				<-gate
			}
			var rows []string
			for id := at; id < min(at+10, 95); id++ {
				rows = append(rows, fmt.Sprintf(`{"id":%d}`, id))
			}
			reply(w, fmt.Sprintf(`{"rows":[%s],"count":95}`, strings.Join(rows, ",")))
		})
		got := run(t, object{"url_base": a.URL, "request_timeout": 10, "streams": []any{object{"name": "s", "records_path": "$.rows[*]", "schema": idSchema, "concurrency": 4, "pagination": object{"type": kind, "limit": 10, "total_path": "$.count", "stop_at": "short"}}}}, "")
		if got.err != nil || len(got.records) != 95 || len(a.requests()) != 10 || top.Load() < 3 {
			t.Errorf("%s: %v, %d records, %d requests, %d together", kind, got.err, len(got.records), len(a.requests()), top.Load())
		}
		for n, id := range idsOf(got.records) {
			if id != fmt.Sprint(n) {
				t.Fatalf("%s: record %d is %s", kind, n, id)
			}
		}
	}
}

func TestErrorPolicies(t *testing.T) {
	for _, concurrency := range []int{1, 3} {
		s := &shop{broken: map[string]int{"/customers/3/notes": 403, "/customers/7/notes": 500}}
		a := serveAPI(t, s.ServeHTTP)
		skip := shopConfig(a.URL, object{"on_error": "skip_parent", "replication_key": "at", "concurrency": concurrency})
		got := run(t, skip, "")
		if got.err != nil || len(got.records) != 10+16 || !strings.Contains(got.log, `stream \"notes\": 2 of 10 parents were skipped`) && !strings.Contains(got.log, `stream "notes": 2 of 10 parents were skipped`) {
			t.Errorf("%v, %d records\n%s", got.err, len(got.records), got.log)
		}
		if strings.Contains(got.state(), "replication_key_value") {
			t.Errorf("the bookmark went past what was skipped: %s", got.state())
		}
		// The default fails, and names the parent's request.
		got = run(t, shopConfig(a.URL, object{"concurrency": concurrency}), "")
		if got.err == nil || !strings.Contains(got.err.Error(), "/customers/3/notes answers 403") {
			t.Errorf("%v", got.err)
		}
		// A stream that fails before its first row is left out; later it is too late.
		all := shopConfig(a.URL, object{"on_error": "skip_stream", "path": "/customers/3/notes", "concurrency": concurrency})
		got = run(t, all, "")
		if got.err != nil || len(got.records) != 10 || len(got.schemas) != 1 || !strings.Contains(got.log, "1 of 2 streams were skipped") {
			t.Errorf("%v, %d records, %q\n%s", got.err, len(got.records), got.schemas, got.log)
		}
		got = run(t, shopConfig(a.URL, object{"on_error": "skip_stream", "concurrency": concurrency}), "")
		if got.err == nil || !strings.Contains(got.err.Error(), "skip_stream comes too late") {
			t.Errorf("%v", got.err)
		}
	}
	// A refused login is everybody's: no policy skips it.
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	if got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "schema": idSchema, "on_error": "skip_stream"}}}, ""); got.err == nil {
		t.Error("a refused login is skipped")
	}
}

// A file that is packed, whatever its headers say.
func TestPackedAnswers(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for id := range 3 {
		_ = json.NewEncoder(z).Encode(object{"id": id})
	}
	z.Close()
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b.Bytes()) })
	got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "response": "ndjson", "schema": idSchema}}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, idsOf(got.records), "0", "1", "2")
}
