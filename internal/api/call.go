package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"elt/state"
)

// call is one request: who makes it and what the log knows it by.
type call struct {
	trace string
	// parent is the W3C's traceparent for what the request starts; "" when its
	// trace id is not of that form.
	parent string
	from   string // network address
	who    identity
	wrong  *Problem // why a token that was sent does not count
	// What the audit says besides the action.
	object string
	detail any
}

type callKey struct{}

// callOf is the request of a context.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// note says for the audit what a request is done to, and how.
func note(ctx context.Context, object string, detail any) {
	c := callOf(ctx)
	c.object, c.detail = object, detail
}

// traced gives every request its trace id, and logs it.
func (s *Server) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{trace: traceOf(r.Header), from: addressOf(r)}
		c.parent = parentOf(r.Header, c.trace)
		h := w.Header()
		h.Set("X-Request-Id", c.trace)
		h.Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(r.URL.Path, Base) {
			h.Set("Cache-Control", "no-store")
		}
		began, seen := time.Now(), &seenWriter{ResponseWriter: w, status: http.StatusOK}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		defer s.caught(seen, r)
		next.ServeHTTP(seen, r)
		event := s.Log.Debug()
		if seen.status >= 500 {
			event = s.Log.Warn()
		}
		event.Str("trace_id", c.trace).Str("method", r.Method).Str("path", r.URL.Path).Int("status", seen.status).
			Str("who", c.who.name).Dur("took", time.Since(began)).Msg("request")
	})
}

// caught answers where a handler panics: a bug ends its request and no other.
func (s *Server) caught(w *seenWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	s.Log.Error().Str("trace_id", callOf(r.Context()).trace).Str("path", r.URL.Path).Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("this is a bug")
	if w.begun {
		panic(http.ErrAbortHandler) // so that the asker sees that the answer is not whole
	}
	s.write(w, r, problem(http.StatusInternalServerError, "internal", "something went wrong inside of elt").hint("the daemon's log knows more under this trace id"))
}

// seenWriter remembers the status.
type seenWriter struct {
	http.ResponseWriter
	status int
	begun  bool // the answer
}

func (w *seenWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

func (w *seenWriter) WriteHeader(status int) {
	w.status, w.begun = status, true
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var (
	traceParent = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)
	})
	requestID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`) })
)

// parentOf is the traceparent that the asker gave, else one of the trace.
func parentOf(h http.Header, trace string) string {
	if given := h.Get("Traceparent"); traceParent().MatchString(given) && strings.Contains(given, trace) {
		return given
	}
	if parent := "00-" + trace + "-" + trace[len(trace)/2:] + "-01"; traceParent().MatchString(parent) {
		return parent
	}
	return ""
}

// traceOf is the id that the asker gave (W3C traceparent, X-Request-Id), else a new one.
func traceOf(h http.Header) string {
	if m := traceParent().FindStringSubmatch(h.Get("Traceparent")); m != nil && strings.Trim(m[1], "0") != "" {
		return m[1]
	}
	if id := h.Get("X-Request-Id"); requestID().MatchString(id) {
		return id
	}
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// audit records a write, and who tried one.
func (s *Server) audit(ctx context.Context, c *call, action string, status int) {
	if c.who.name == "" {
		return // nobody known: the log has it
	}
	d := state.Deed{Who: c.who.name, Token: c.who.token, From: c.from, What: action, Object: c.object, Trace: c.trace, Result: status}
	if c.detail != nil {
		if text, err := json.Marshal(c.detail); err == nil {
			d.Detail = text
		}
	}
	if err := s.Store.AddDeed(context.WithoutCancel(ctx), d); err != nil {
		s.Log.Error().Err(err).Str("trace_id", c.trace).Str("who", d.Who).Str("action", action).Str("object", d.Object).Msg("the audit could not be written")
	}
}
