package snowflake

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// Endpoints a fault can be put on.
const (
	EndpointLogin     = "login"
	EndpointRenew     = "renew"
	EndpointHeartbeat = "heartbeat"
	EndpointLogout    = "logout"
	EndpointQuery     = "query"
	EndpointAbort     = "abort"
	EndpointResult    = "result"
	EndpointMonitor   = "monitor"
	EndpointChunk     = "chunk"
	EndpointStorage   = "storage"
	EndpointTelemetry = "telemetry"
)

// Fault is something that goes wrong. Endpoint, Statement and After say when;
// exactly one of the rest says what.
type Fault struct {
	Endpoint  string // query unless given
	Statement string // regular expression: the SQL text of queries, the file's name of uploads
	After     int    // how many matching requests go well before
	Count     int    // how many then go wrong: 0 is one, -1 all

	Status    int             // answer with this HTTP status
	Cut       bool            // close the connection before reading anything
	CutBytes  int64           // close it after so many bytes of the body
	Lost      bool            // execute, then close the connection instead of answering
	Truncated bool            // execute, then send half of the answer
	Delay     time.Duration   // answer late
	Until     <-chan struct{} // answer once this closes
	Expired   bool            // the session's token has expired: 390112; of an upload, the URL: HTTP 400
	Master    bool            // the master token too
	Error     *sql.Error      // the statement fails with this, unexecuted

	re   *regexp.Regexp
	seen int
}

// SQLError makes an error for Fault.Error.
func SQLError(number int, state, message string) *sql.Error {
	return &sql.Error{Number: number, State: state, Message: message}
}

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	if f.Endpoint == "" {
		f.Endpoint = EndpointQuery
	}
	f.re = regexp.MustCompile("(?is)" + f.Statement)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() { s.mu.Lock(); defer s.mu.Unlock(); s.faults = nil }

// pick finds the fault a request meets.
func (s *Server) pick(endpoint, text string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Endpoint != endpoint || !f.re.MatchString(text) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Count < 0 || f.seen <= f.After+max(f.Count, 1)) {
			return f
		}
	}
	return nil
}

type injectedKey struct{}

func injected(ctx context.Context) error {
	if e, ok := ctx.Value(injectedKey{}).(*sql.Error); ok && e != nil {
		return e
	}
	return nil
}

// faulty puts the faults before a handler.
func (s *Server) faulty(endpoint string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := ""
		switch endpoint {
		case EndpointQuery:
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			var q struct{ SQLText string }
			json.Unmarshal(body, &q)
			text = q.SQLText
		case EndpointStorage:
			text = r.PathValue("name")
		}
		f := s.pick(endpoint, text)
		if f == nil {
			h(w, r)
			return
		}
		s.misbehave(f, endpoint, h, w, r)
	}
}

func (s *Server) misbehave(f *Fault, endpoint string, h http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	switch {
	case f.Status != 0:
		http.Error(w, http.StatusText(f.Status), f.Status)
	case f.Cut:
		cut(w)
	case f.CutBytes > 0:
		io.CopyN(io.Discard, r.Body, f.CutBytes)
		cut(w)
	case f.Lost:
		h(httptest.NewRecorder(), r)
		cut(w)
	case f.Truncated:
		rec := httptest.NewRecorder()
		h(rec, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		cut(w)
	case f.Delay > 0 || f.Until != nil:
		var timer <-chan time.Time
		if f.Delay > 0 {
			timer = time.After(f.Delay)
		}
		select {
		case <-timer:
		case <-f.Until:
		case <-r.Context().Done():
			return
		case <-s.stop.Done():
			return
		}
		h(w, r)
	case f.Expired || f.Master:
		if endpoint == EndpointStorage {
			http.Error(w, "ExpiredToken", http.StatusBadRequest)
			return
		}
		s.expire(bearer(r), f.Master)
		h(w, r)
	case f.Error != nil:
		h(w, r.WithContext(context.WithValue(r.Context(), injectedKey{}, f.Error)))
	default:
		h(w, r)
	}
}

// expire ends a session's token.
func (s *Server) expire(token string, master bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.token == token || ss.master == token {
			ss.expires = time.Time{}
			if master {
				ss.dies = time.Time{}
			}
		}
	}
}

// cut closes the connection under a response.
func cut(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok && w.Header().Get("Content-Length") != "" {
		f.Flush()
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}
