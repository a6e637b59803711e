package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"elt/internal/singer"
)

var days = []string{"2024-01-01T00:00:00Z", "2024-01-01T23:59:59.999999Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-03T12:00:00+01:00", "2024-01-04T00:00:00Z"}

// daily answers rows of days between since and until, both included: an API
// whose bounds are not half open.
func daily(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339Nano, q.Get("since"))
	until, err := time.Parse(time.RFC3339Nano, q.Get("until"))
	var items []string
	for n, d := range days {
		if at, _ := time.Parse(time.RFC3339Nano, d); !at.Before(since) && (err != nil || !at.After(until)) {
			items = append(items, fmt.Sprintf(`{"n":%d,"at":%q}`, n, d))
		}
	}
	reply(w, "["+strings.Join(items, ",")+"]")
}

func dailyConfig(a *api, more object) object {
	s := object{"name": "d", "path": "d", "replication_key": "at", "schema": object{"properties": object{"n": object{"type": "integer"}, "at": object{"type": "string"}}},
		"window": object{"start_param": "since", "end_param": "until", "slice": "1d"}}
	c := object{"url_base": a.URL, "streams": []any{s}, "start_date": "2024-01-01", "end_date": "2024-01-04"}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func ids(records []string) (out []string) {
	for _, r := range records {
		_, n, _ := strings.Cut(r, `"n":`)
		out = append(out, strings.TrimSuffix(n, "}"))
	}
	return out
}

func TestWindowsAreHalfOpen(t *testing.T) {
	a := serveAPI(t, daily)
	got := run(t, dailyConfig(a, nil), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, ids(got.records), "0", "1", "2", "3", "4") // each once, and not the end's
	want(t, a.requests(), "GET /d?since=2024-01-01T00%3A00%3A00Z&until=2024-01-02T00%3A00%3A00Z", "GET /d?since=2024-01-02T00%3A00%3A00Z&until=2024-01-03T00%3A00%3A00Z",
		"GET /d?since=2024-01-03T00%3A00%3A00Z&until=2024-01-04T00%3A00%3A00Z")
	if got.state() != `{"bookmarks":{"d":{"replication_key":"at","replication_key_value":"2024-01-03T12:00:00+01:00"}}}` {
		t.Error(got.state())
	}
	got = run(t, dailyConfig(a, object{"start_date": "2024-01-01T23:59:59.999999Z", "end_date": "2024-01-03"}), "")
	want(t, ids(got.records), "1", "2")
}

func TestAFailureInTheMiddleIsResumed(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() && strings.HasPrefix(r.URL.Query().Get("since"), "2024-01-03") {
			w.WriteHeader(400)
			return
		}
		daily(w, r)
	})
	first := run(t, dailyConfig(a, nil), "")
	if first.err == nil {
		t.Fatal("no failure")
	}
	want(t, ids(first.records), "0", "1", "2")
	if first.state() != `{"bookmarks":{"d":{"replication_key":"at","replication_key_value":"2024-01-02T00:00:00Z"}}}` {
		t.Fatal(first.state())
	}
	broken.Store(false)
	before := len(a.requests())
	second := run(t, dailyConfig(a, nil), first.state())
	if second.err != nil {
		t.Fatal(second.err)
	}
	want(t, ids(second.records), "2", "3", "4")
	if n := len(a.requests()) - before; n != 2 {
		t.Errorf("%d requests, want those of two days", n)
	}
	// Nothing new: the bookmark does not move, and the last value comes again.
	third := run(t, dailyConfig(a, nil), second.state())
	want(t, ids(third.records), "4")
	if third.state() != second.state() {
		t.Error(third.state())
	}
}

func TestLookBack(t *testing.T) {
	a := serveAPI(t, daily)
	c := dailyConfig(a, nil)
	c["streams"].([]any)[0].(object)["window"] = object{"start_param": "since", "lookback": "1d"}
	got := run(t, c, `{"bookmarks":{"d":{"replication_key":"at","replication_key_value":"2024-01-03T00:00:00Z"}}}`)
	want(t, ids(got.records), "2", "3", "4")
	want(t, a.requests(), "GET /d?since=2024-01-02T00%3A00%3A00Z")
}

func TestKeysThatAreNumbers(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		reply(w, `[{"id":9007199254740993,"t":1704067200},{"id":10,"t":1704067199},{"id":9,"t":null}]`)
	})
	schema := object{"properties": object{"id": object{"type": "integer"}, "t": object{"type": "integer"}}}
	got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "n", "replication_key": "id", "schema": schema, "params": object{"from": "{{ start }}"}}}}, `{"bookmarks":{"n":{"replication_key":"id","replication_key_value":9007199254740992}}}`)
	want(t, got.records, `n {"id":9007199254740993,"t":1704067200}`)
	want(t, a.requests(), "GET /?from=9007199254740992")
	if !strings.Contains(got.state(), `"replication_key_value":9007199254740993`) {
		t.Error(got.state())
	}
	got = run(t, object{"url_base": a.URL, "start_date": "2024-01-01", "streams": []any{object{"name": "n", "replication_key": "t", "schema": schema, "window": object{"format": "unix", "start_param": "from"}}}}, "")
	want(t, got.records, `n {"id":9007199254740993,"t":1704067200}`, `n {"id":9,"t":null}`) // no time: never left out
	if asked := a.requests(); asked[len(asked)-1] != "GET /?from=1704067200" {
		t.Error(asked)
	}
}

func TestSortedStreamsMarkEachPageAndAreChecked(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("page") {
		case "1":
			reply(w, `[{"id":1},{"id":2}]`)
		case "2":
			reply(w, `[{"id":2},{"id":3}]`)
		default:
			reply(w, `[{"id":1}]`)
		}
	})
	got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "replication_key": "id", "sorted": true, "schema": object{"properties": object{"id": object{"type": "integer"}}}, "pagination": object{"type": "page"}}}}, "")
	if got.err == nil || !strings.Contains(got.err.Error(), `not sorted by "id", as sorted promises: 1 comes after 3`) || len(got.states) != 2 || !strings.Contains(got.state(), `"replication_key_value":3`) {
		t.Errorf("%v\n%q", got.err, got.states)
	}
}

// The catalog says which streams a window of time can be read of, where the
// replication key does not tell.
func TestWindowedStreams(t *testing.T) {
	a := serveAPI(t, daily)
	own := object{"properties": object{"n": object{"type": "integer"}, "at": object{"type": "string"}}}
	stream := func(name string, more object) object {
		s := object{"name": name, "path": "d", "schema": own}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	c := object{"url_base": a.URL, "start_date": "2024-01-01", "streams": []any{
		stream("key", object{"replication_key": "at"}),
		stream("unix", object{"replication_key": "n", "window": object{"format": "unix"}}),
		stream("params", object{"window": object{"start_param": "since", "end_param": "until"}}),
		stream("open", object{"window": object{"start_param": "since"}}),
		stream("full", nil),
		stream("own start", object{"replication_key": "at", "start_date": "2023-01-01"}),
		stream("child", object{"replication_key": "at", "parent": object{"stream": "key", "fields": object{"p": "$.n"}}}),
		stream("child of all", object{"replication_key": "at", "parent": object{"stream": "full", "fields": object{"p": "$.n"}}}),
	}}
	found := run(t, c, "", "--discover")
	catalog, err := singer.ParseCatalog([]byte(found.out))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"key": nil, "unix": true, "params": true, "open": false, "full": false, "own start": false, "child": false, "child of all": nil} {
		if got := catalog.Stream(name).Meta()["windowed"]; got != want {
			t.Errorf("%s: windowed is %v, want %v", name, got, want)
		}
	}
}
