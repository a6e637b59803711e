package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"elt/internal/api"
	"elt/internal/fault"
)

// A request that nobody answered is made again under the same key.
func TestStartIsRepeatedUnderOneKey(t *testing.T) {
	var keys []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 1 {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"x","status":"queued"}`)
	}))
	defer s.Close()
	c, err := New(s.URL, "elt_secret")
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Start(t.Context(), api.RunRequest{Job: "load"})
	if err != nil || d.ID != "x" || len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("%v %v %v", d.ID, keys, err)
	}
}

// A log that is cut goes on after its last line, none twice, none missing.
func TestFollowGoesOnAfterACut(t *testing.T) {
	const lines = 5
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/logs") {
			fmt.Fprint(w, `{"id":"x","status":"failed","exit_code":3}`)
			return
		}
		last := r.Header.Get("Last-Event-ID")
		asked = append(asked, last)
		n := len(asked)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, ": heartbeat\n\nid: %d\nevent: log\ndata: {\"id\":%d,\"text\":\"line %d\"}\n\n", n*10, n*10, n)
		if n == lines {
			fmt.Fprint(w, "event: end\ndata: {\"id\":\"x\"}\n\n")
		}
	}))
	defer s.Close()
	c, err := New(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	d, err := c.Follow(t.Context(), "x", func(l api.LogLine) error { got = append(got, l.Text); return nil })
	if err != nil || *d.ExitCode != 3 || strings.Join(got, ",") != "line 1,line 2,line 3,line 4,line 5" || strings.Join(asked, ",") != ",10,20,30,40" {
		t.Errorf("%v %v %v", got, asked, err)
	}
}

func TestRefusals(t *testing.T) {
	status, text := 0, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	defer s.Close()
	c, err := New(s.URL+"/", "elt_secret")
	if err != nil {
		t.Fatal(err)
	}
	problem := func(p api.Problem) string { raw, _ := json.Marshal(p); return string(raw) }
	for _, one := range []struct {
		status int
		text   string
		want   string
	}{
		{422, problem(api.Problem{Status: 422, Detail: "no job", Hint: `did you mean "load"?`}), "no job\nhint: did you mean \"load\"?"},
		{401, problem(api.Problem{Status: 401, Detail: "this needs a token"}), "ELT_TOKEN"},
		{503, problem(api.Problem{Status: 503, Detail: "away", TraceID: "abc"}), "trace id abc"},
		{502, "<html>", "is that the address of an elt daemon?"},
		{200, "<html>", "cannot be read"},
	} {
		status, text = one.status, one.text
		_, err := c.Run(t.Context(), "x")
		if got := fault.Render(err); !strings.Contains(got, one.want) || strings.Contains(got, "elt_secret") {
			t.Errorf("%d: %s", one.status, got)
		}
		if NotFound(err) {
			t.Error("found")
		}
	}
	status, text = 404, problem(api.Problem{Status: 404, Detail: "none"})
	if _, err := c.Run(t.Context(), "x"); !NotFound(err) {
		t.Error(err)
	}
	s.Close()
	if _, err := c.Run(t.Context(), "x"); err == nil || !strings.Contains(fault.Render(err), "cannot be reached") {
		t.Error(err)
	}
	for _, server := range []string{"localhost:8080", "ftp://h", "https://user:secret@h", ""} {
		if _, err := New(server, ""); err == nil || fault.CodeOf(err) != fault.Usage || server != "" && strings.Contains(err.Error(), "user:secret") {
			t.Errorf("%q: %v", server, err)
		}
	}
}
