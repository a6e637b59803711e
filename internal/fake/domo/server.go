// Package domo is a fake of Domo's API as its documents and its clients show
// it: short-lived tokens, lists of 50 at most, queries in a little SQL that are
// capped and slow, exports as CSV, and whatever goes wrong on the way. It is
// an ordinary HTTP server on loopback and knows nothing of the taps tested
// against it.
package domo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The credentials that the server takes.
const (
	Client = "client"
	Secret = "canary-secret/+"
)

// Dataset is a table; its values are text, "" for none.
type Dataset struct {
	ID, Name string
	Columns  [][2]string // name, and STRING, DECIMAL, LONG, DOUBLE, DATE or DATETIME
	Rows     [][]string
}

// Behaviour is what a server does beside answering. The zero value is kind.
type Behaviour struct {
	PerToken int           // requests that a token is good for, 0: all
	Life     time.Duration // of a token, 0: an hour
	Cap      int           // rows a query gives, in silence, 0: all
	Slow     int           // a query over more rows never comes back, 0: none is slow
	Busy     int           // a query over more rows is answered 504, 0: none
	Delay    time.Duration // before each answer
	Trickle  time.Duration // between the pieces of an answer that come one by one, 0: all at once
	// Faults are what the next queries and exports are answered, one each:
	// 429, 500, 503, 504 (statuses), query (Domo's "Error creating query"),
	// cut (in the middle of the body), reset (before the head), "" for none.
	Faults []string
	// Every is the fault that each so-manieth request of any kind meets.
	Every map[int]string
	// Grow is called before each query and export with the dataset, under
	// the server's lock: rows that it adds are there from then on.
	Grow func(d *Dataset)
}

// Server is a running fake.
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	do       Behaviour
	sets     []*Dataset
	tokens   int
	uses     int
	until    time.Time
	requests []string
	queries  []string
}

// Start starts a server; Close it.
func Start(b Behaviour, sets ...*Dataset) *Server {
	s := &Server{do: b, sets: sets}
	s.Server = httptest.NewServer(s)
	return s
}

// Change changes what the server does and has from now on.
func (s *Server) Change(change func(b *Behaviour, sets *[]*Dataset)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.do, &s.sets)
}

// Forget sets the counts to nothing.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.queries, s.tokens = nil, nil, 0
}

// Requests are the requests so far, as METHOD /path.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Queries are the SQL texts so far.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// Tokens is how many logins there were.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Rows are a copy of a dataset's rows.
func (s *Server) Rows(id string) [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.find(id); d != nil {
		return slices.Clone(d.Rows)
	}
	return nil
}

// answer is what is said once the lock is given back.
type answer struct {
	status int
	header map[string]string
	body   []byte
	fault  string
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	var a answer
	do := s.do
	if every := s.every(len(s.requests)); every != "" && r.URL.Path != "/oauth/token" {
		a = broken(every)
	}
	if a.status == 0 {
		fault := a.fault
		if a = s.route(r); a.fault == "" {
			a.fault = fault
		}
	}
	s.mu.Unlock()
	a.write(w, r, do)
}

func (s *Server) every(n int) string {
	for each, fault := range s.do.Every {
		if each > 0 && n%each == 0 {
			return fault
		}
	}
	return ""
}

func (s *Server) route(r *http.Request) answer {
	if r.URL.Path == "/oauth/token" {
		return s.token(r)
	}
	if s.uses--; !s.known(r.Header.Get("Authorization")) {
		return failure(401, "Unauthorized: "+r.Header.Get("Authorization"))
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/v1/datasets/query/execute/"); ok && r.Method == "POST" {
		return s.data(r, s.query, id)
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method != "GET":
		return failure(405, "Method Not Allowed")
	case r.URL.Path == "/v1/datasets":
		return s.list(r)
	case len(parts) == 3:
		return s.schema(parts[2])
	case len(parts) == 4 && parts[3] == "data":
		return s.data(r, s.export, parts[2])
	}
	return failure(404, "Not Found")
}

// data answers for rows: with the next fault, or after the dataset has grown.
func (s *Server) data(r *http.Request, answers func(*http.Request, *Dataset) answer, id string) answer {
	d := s.find(id)
	if d == nil {
		return failure(404, "no such dataset")
	}
	fault := ""
	if len(s.do.Faults) > 0 {
		fault, s.do.Faults = s.do.Faults[0], s.do.Faults[1:]
	}
	if a := broken(fault); a.status != 0 {
		return a
	}
	if s.do.Grow != nil {
		s.do.Grow(d)
	}
	a := answers(r, d)
	if a.fault == "" {
		a.fault = fault
	}
	return a
}

func broken(fault string) answer {
	switch fault {
	case "429":
		a := failure(429, "slow down")
		a.header["Retry-After"] = "0"
		return a
	case "query":
		return failure(400, "Error creating query")
	}
	if status, err := strconv.Atoi(fault); err == nil {
		return failure(status, "try later")
	}
	return answer{fault: fault}
}

func failure(status int, text string) answer {
	raw, _ := json.Marshal(map[string]any{"status": status, "statusReason": http.StatusText(status), "message": text})
	return answer{status: status, header: map[string]string{"Content-Type": "application/json"}, body: raw}
}

func success(kind string, body []byte) answer {
	return answer{status: 200, header: map[string]string{"Content-Type": kind}, body: body}
}

func (a answer) write(w http.ResponseWriter, r *http.Request, do Behaviour) {
	if a.fault == "hang" {
		<-r.Context().Done()
		return
	}
	if a.fault == "reset" {
		panic(http.ErrAbortHandler)
	}
	if do.Delay > 0 {
		time.Sleep(do.Delay)
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	body := a.body
	if a.fault == "cut" {
		body = body[:len(body)/2]
	}
	for pieces := 4; do.Trickle > 0 && pieces > 1 && len(body) > pieces; pieces-- {
		n := len(body) / pieces
		_, _ = w.Write(body[:n])
		w.(http.Flusher).Flush()
		time.Sleep(do.Trickle)
		body = body[n:]
	}
	_, _ = w.Write(body)
	if a.fault == "cut" {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) find(id string) *Dataset {
	for _, d := range s.sets {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (s *Server) known(authorization string) bool {
	kind, token, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(kind, "bearer") && s.tokens > 0 && token == s.current() && (s.do.PerToken == 0 || s.uses >= 0) && (s.until.IsZero() || time.Now().Before(s.until))
}

func (s *Server) current() string { return fmt.Sprintf("token-%d-canary", s.tokens) }

// token is asked for by GET as the documents have it, or by a POST form.
func (s *Server) token(r *http.Request) answer {
	user, password, _ := r.BasicAuth()
	if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "data" || user != Client || password != Secret && password != escaped {
		return failure(401, "Bad credentials for "+password)
	}
	s.tokens++
	s.uses, s.until = s.do.PerToken, time.Time{}
	life := 3599 * time.Second
	if s.do.Life > 0 {
		life, s.until = s.do.Life, time.Now().Add(s.do.Life)
	}
	raw, _ := json.Marshal(map[string]any{"access_token": s.current(), "customer": "glue", "expires_in": int(life.Seconds()), "jti": "x", "role": "Admin", "scope": "data", "token_type": "bearer", "userId": 1})
	return success("application/json", raw)
}
