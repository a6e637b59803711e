package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The recipes of examples/rest, each against a fake of the shape that its
// vendor documents.

func recipe(t *testing.T, name, base string, more object) result {
	t.Helper()
	config := object{"definition": "../../examples/rest/" + name + ".yml", "url_base": base, "start_date": "2024-01-01T00:00:00Z", "parallelism": 1}
	for k, v := range more {
		config[k] = v
	}
	got := run(t, config, "")
	if got.err != nil {
		t.Fatalf("%v\n%s", got.err, got.log)
	}
	return got
}

func has(t *testing.T, list []string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		found := false
		for _, one := range list {
			found = found || strings.HasPrefix(one, w)
		}
		if !found {
			t.Errorf("no %s in\n%s", w, strings.Join(list, "\n"))
		}
	}
}

func TestZendeskRecipe(t *testing.T) {
	var a *api
	a = serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "me@example.com/token" || password != canary:
			w.WriteHeader(401)
		case r.URL.Path == "/api/v2/incremental/tickets/cursor.json" && r.FormValue("cursor") == "":
			if r.FormValue("start_time") != "1704067200" {
				w.WriteHeader(400)
				return
			}
			reply(w, `{"tickets":[{"id":1,"updated_at":"2024-01-02T00:00:00Z"}],"after_cursor":"c1","after_url":"`+a.URL+`/api/v2/incremental/tickets/cursor.json?cursor=c1","before_url":null,"end_of_stream":false}`)
		case r.URL.Path == "/api/v2/incremental/tickets/cursor.json" && r.FormValue("start_time") == "":
			reply(w, `{"tickets":[{"id":2,"updated_at":"2024-01-03T00:00:00Z"}],"after_cursor":"c2","after_url":"`+a.URL+`/api/v2/incremental/tickets/cursor.json?cursor=c2","end_of_stream":true}`)
		case r.URL.Path == "/api/v2/users.json":
			reply(w, `{"users":[{"id":9}],"meta":{"has_more":false,"after_cursor":"x"},"links":{"prev":null,"next":"`+a.URL+`/api/v2/users.json?page%5Bafter%5D=x"}}`)
		case r.URL.Path == "/api/v2/tickets/1/comments.json":
			reply(w, `{"comments":[{"id":11,"body":"hello"}],"meta":{"has_more":false},"links":{"next":null}}`)
		default:
			w.WriteHeader(404)
		}
	})
	got := recipe(t, "zendesk", a.URL+"/api/v2", object{"auth": object{"username": "me@example.com/token", "password": canary}})
	has(t, got.records, `tickets {"id":1,`, `tickets {"id":2,`, `users {"id":9}`, `ticket_comments {"id":11,"body":"hello","ticket_id":1}`)
	if len(got.records) != 4 || !strings.Contains(got.state(), "2024-01-03T00:00:00Z") {
		t.Errorf("%q\n%s", got.records, got.state())
	}
}

func TestSlackRecipe(t *testing.T) {
	limited := false
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+canary:
			reply(w, `{"ok":false,"error":"invalid_auth"}`)
		case r.URL.Path == "/conversations.list" && r.FormValue("cursor") == "":
			if !limited {
				limited = true
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(429)
				return
			}
			reply(w, `{"ok":true,"channels":[{"id":"C1","name":"general"}],"response_metadata":{"next_cursor":"dGVhbTpDMQ=="}}`)
		case r.URL.Path == "/conversations.list":
			reply(w, `{"ok":true,"channels":[{"id":"C2","name":"secret"}],"response_metadata":{"next_cursor":""}}`)
		case r.URL.Path == "/users.list":
			reply(w, `{"ok":true,"members":[{"id":"U1"}],"response_metadata":{"next_cursor":""}}`)
		case r.FormValue("channel") == "C2":
			reply(w, `{"ok":false,"error":"not_in_channel"}`)
		case r.FormValue("oldest") == "1704067200":
			reply(w, `{"ok":true,"messages":[{"ts":"1704153600.000200","text":"b"},{"ts":"1704067100.000100","text":"too old"}],"has_more":false}`)
		default:
			reply(w, `{"ok":false,"error":"invalid_arguments"}`)
		}
	})
	got := recipe(t, "slack", a.URL, object{"auth": object{"token": canary}})
	has(t, got.records, `channels {"id":"C1"`, `channels {"id":"C2"`, `users {"id":"U1"}`, `messages {"ts":"1704153600.000200","text":"b","channel_id":"C1"}`)
	if len(got.records) != 4 || !strings.Contains(got.log, "1 of 2 parents were skipped") || !strings.Contains(got.log, "not_in_channel") {
		t.Errorf("%q\n%s", got.records, got.log)
	}
}

func TestZoomRecipe(t *testing.T) {
	made, left := 0, 0
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/oauth/token":
			if r.FormValue("grant_type") != "account_credentials" || r.FormValue("account_id") != "acc" || user != "id" || password != "zoom-canary" {
				w.WriteHeader(400)
				reply(w, `{"reason":"Bad Request","error":"unsupported_grant_type"}`)
				return
			}
			made, left = made+1, 3
			reply(w, fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":3599}`, made))
		case r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", made) || left == 0:
			w.WriteHeader(401)
			reply(w, `{"code":124,"message":"Access token is expired."}`)
		default:
			left--
			switch from := r.FormValue("from"); {
			case r.URL.Path == "/users" && r.FormValue("next_page_token") == "":
				reply(w, `{"page_size":300,"next_page_token":"p2","users":[{"id":"u1"}]}`)
			case r.URL.Path == "/users":
				reply(w, `{"page_size":300,"next_page_token":"","users":[{"id":"u2"}]}`)
			case r.URL.Path == "/report/users/u1/meetings" && from == "2024-01-01" && r.FormValue("to") == "2024-01-31":
				reply(w, `{"next_page_token":"","meetings":[{"uuid":"m1","start_time":"2024-01-05T00:00:00Z"},{"uuid":"m2","start_time":"2024-01-31T10:00:00Z"}]}`)
			case r.URL.Path == "/report/users/u1/meetings" && from == "2024-01-31" && r.FormValue("to") == "2024-02-10":
				reply(w, `{"next_page_token":"","meetings":[{"uuid":"m2","start_time":"2024-01-31T10:00:00Z"}]}`)
			default:
				w.WriteHeader(404)
			}
		}
	})
	got := recipe(t, "zoom", a.URL, object{"end_date": "2024-02-10T00:00:00Z", "auth": object{"token_url": a.URL + "/oauth/token", "client_id": "id", "client_secret": "zoom-canary", "params": object{"grant_type": "account_credentials", "account_id": "acc"}}})
	has(t, got.records, `users {"id":"u1"}`, `users {"id":"u2"}`, `meetings {"uuid":"m1","start_time":"2024-01-05T00:00:00Z","user_id":"u1"}`, `meetings {"uuid":"m2",`)
	if len(got.records) != 4 || made < 2 || strings.Contains(got.log, "canary") {
		t.Errorf("%q, %d tokens\n%s", got.records, made, got.log)
	}
}
