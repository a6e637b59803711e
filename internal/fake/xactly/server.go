// Package xactly is a fake of Xactly Connect's REST interface as its documents
// and its clients show it: a token for a user and a password, statements whose
// results are kept at a Location and read in pieces without names, and
// whatever goes wrong on the way. It is an ordinary HTTP server on loopback and
// knows nothing of the taps tested against it.
package xactly

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The credentials that the server takes.
const (
	User     = "data@example.com"
	Password = `canary-pass"word/+`
	ClientID = "client-1"
	Consumer = "consumer-1"
)

// Behaviour is what a server does beside answering. The zero value is kind.
type Behaviour struct {
	PerToken int  // requests that a token is good for, 0: all
	Silent   bool // a token comes without its life
	// Location is how results are pointed to: "" a path without /api, api a
	// path with it, absolute a whole URL, relative the last part of the path.
	Location string
	Piece    int  // rows a piece has at most, whatever size says, 0: all
	Cap      int  // rows a result has at most, in silence, 0: all
	Pieces   int  // pieces that a result lives for, 0: all
	Floats   bool // large numbers are written as Java writes doubles
	// Faults are what the next statements and pieces are answered, one each:
	// 429, 500, 503 (statuses), expired (the result is gone), cut (in the
	// middle of the body), reset (before the head), hang (never), shrunk (a
	// result has a row less than it said), short (a piece lacks rows), cells (a
	// row lacks its last value), object (a row has names), moved (the rows
	// stand elsewhere), html, "" for none.
	Faults []string
	// Every is the fault that each so-manieth statement or piece meets.
	Every map[int]string
	// Grow is called before each statement with the table that it asks for,
	// under the server's lock: rows that it adds are there from then on.
	Grow func(t *Table)
}

// Server is a running fake.
type Server struct {
	*httptest.Server
	mu         sync.Mutex
	do         Behaviour
	tables     []*Table
	tokens     int
	uses       int
	asked      int
	results    map[string]*result
	requests   []string
	statements []string
}

// result is what a statement gave.
type result struct {
	rows   [][]string
	pieces int
	told   bool // an answer with its number of rows arrived
}

// Start starts a server; Close it.
func Start(b Behaviour, tables ...*Table) *Server {
	s := &Server{do: b, tables: tables, results: map[string]*result{}}
	s.Server = httptest.NewServer(s)
	return s
}

// Change changes what the server does and has from now on.
func (s *Server) Change(change func(b *Behaviour, tables *[]*Table)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.do, &s.tables)
}

// Forget sets the counts to nothing.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.statements, s.tokens = nil, nil, 0
}

// Requests are the requests so far, as METHOD /path.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Statements are the statements so far.
func (s *Server) Statements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statements)
}

// Tokens is how many logins there were.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Rows are a copy of a table's rows.
func (s *Server) Rows(table string) [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(table); t != nil {
		return slices.Clone(t.Rows)
	}
	return nil
}

func (s *Server) find(name string) *Table {
	for _, t := range s.tables {
		if t.Name == name {
			return t
		}
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
	a := s.route(r)
	s.mu.Unlock()
	switch a.fault {
	case "hang":
		<-r.Context().Done()
		return
	case "reset":
		panic(http.ErrAbortHandler)
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if a.fault == "cut" && len(a.body) > 1 {
		_, _ = w.Write(a.body[:len(a.body)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body)
}

func (s *Server) route(r *http.Request) answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		return failure(404, "no such path")
	}
	if path == "oauth2/token" && r.Method == "POST" {
		return s.token(r)
	}
	if s.uses--; r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d-canary", s.tokens) || s.tokens == 0 || s.do.PerToken > 0 && s.uses < 0 {
		return failure(401, "the token is invalid: "+r.Header.Get("Authorization"))
	}
	id, isResult := strings.CutPrefix(path, "connect/v1/xdbc/")
	if !isResult {
		return failure(404, "no such path")
	}
	fault := s.fault()
	switch fault {
	case "429":
		a := failure(429, "slow down")
		a.header = map[string]string{"Retry-After": "0"}
		return a
	case "expired":
		delete(s.results, id)
	case "html":
		return answer{status: 200, body: []byte("<html>maintenance</html>")}
	}
	if status, err := strconv.Atoi(fault); err == nil {
		return failure(status, "try later")
	}
	var a answer
	switch {
	case id == "execute" && r.Method == "POST":
		a = s.execute(r)
	case r.Method == "GET":
		a = s.piece(r, id, fault)
	default:
		a = failure(405, "not allowed")
	}
	a.fault = fault
	return a
}

func (s *Server) fault() string {
	s.asked++
	for each, fault := range s.do.Every {
		if each > 0 && s.asked%each == 0 {
			return fault
		}
	}
	if len(s.do.Faults) == 0 {
		return ""
	}
	fault := s.do.Faults[0]
	s.do.Faults = s.do.Faults[1:]
	return fault
}

func failure(status int, message string) answer {
	body, _ := json.Marshal(map[string]any{"status": status, "message": message})
	return answer{status: status, body: body}
}

func (s *Server) token(r *http.Request) answer {
	var login struct{ Username, Password string }
	q := r.URL.Query()
	if json.NewDecoder(r.Body).Decode(&login) != nil || q.Get("api") != "connect" {
		return failure(400, "a JSON body with username and password, and api=connect, are needed")
	}
	if login.Username != User || login.Password != Password || q.Get("client_id") != ClientID || q.Get("consumer") != Consumer {
		return failure(401, "Bad credentials: "+login.Password)
	}
	s.tokens++
	s.uses = s.do.PerToken
	token := map[string]any{"access_token": fmt.Sprintf("token-%d-canary", s.tokens), "token_type": "bearer"}
	if !s.do.Silent {
		token["expires_in"] = 3600
	}
	body, _ := json.Marshal(token)
	return answer{status: 200, body: body}
}

func (s *Server) execute(r *http.Request) answer {
	var ask struct{ Command, DefaultSchema string }
	if json.NewDecoder(r.Body).Decode(&ask) != nil {
		return failure(400, "the body is no JSON")
	}
	s.statements = append(s.statements, ask.Command)
	rows, err := s.run(ask.Command, ask.DefaultSchema)
	if err != nil {
		return failure(400, err.Error())
	}
	if s.do.Cap > 0 && len(rows) > s.do.Cap {
		rows = rows[:s.do.Cap]
	}
	id := fmt.Sprintf("r%d", len(s.statements))
	s.results[id] = &result{rows: rows}
	location := map[string]string{"": "/connect/v1/xdbc/" + id, "api": "/api/connect/v1/xdbc/" + id, "absolute": s.URL + "/api/connect/v1/xdbc/" + id, "relative": id}[s.do.Location]
	return answer{status: 201, header: map[string]string{"Location": location}}
}

func (s *Server) piece(r *http.Request, id, fault string) answer {
	res := s.results[id]
	if res == nil || s.do.Pieces > 0 && res.pieces >= s.do.Pieces {
		return failure(404, "the result has expired")
	}
	res.pieces++
	start, _ := strconv.Atoi(r.URL.Query().Get("start"))
	size, err := strconv.Atoi(r.URL.Query().Get("size"))
	if err != nil {
		size = 100
	}
	if start < 0 || size < 1 {
		return failure(400, "start and size must not be negative")
	}
	if fault == "shrunk" && res.told && len(res.rows) > 0 {
		res.rows = res.rows[:len(res.rows)-1]
	}
	res.told = res.told || fault != "cut" && fault != "reset"
	if s.do.Piece > 0 {
		size = min(size, s.do.Piece)
	}
	rows := res.rows[min(start, len(res.rows)):min(start+size, len(res.rows))]
	if fault == "short" {
		rows = rows[:len(rows)/2]
	}
	var b strings.Builder
	b.WriteString(`{"data":{"` + map[bool]string{true: "items", false: "rows"}[fault == "moved"] + `":[`)
	for n, row := range rows {
		if n > 0 {
			b.WriteByte(',')
		}
		cells := slices.Clone(row)
		if s.do.Floats {
			for i := range cells {
				cells[i] = javaDouble(cells[i])
			}
		}
		switch {
		case n == len(rows)-1 && fault == "cells":
			b.WriteString("[" + strings.Join(cells[:len(cells)-1], ",") + "]")
		case n == len(rows)-1 && fault == "object":
			b.WriteString(`{"ID":` + cells[0] + `}`)
		default:
			b.WriteString("[" + strings.Join(cells, ",") + "]")
		}
	}
	fmt.Fprintf(&b, `],"totalRows":%d}}`, len(res.rows))
	return answer{status: 200, body: []byte(b.String())}
}
