package api

import (
	"net/http"
	"strings"
)

// serve is the way of a request: limits, who it is, whether a browser sends it
// for another site, and then its route.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	if err := s.cross.Check(r); err != nil {
		s.write(w, r, problem(http.StatusForbidden, "cross_origin", "a page of another site may not do this"))
		return
	}
	h, pattern := s.mux.Handler(r)
	api := pattern != "" || strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/api"
	if !api && s.UI != nil {
		s.UI.ServeHTTP(w, r)
		return
	}
	if err := s.authenticate(r, c); err != nil {
		s.write(w, r, s.problem(r.Context(), err).(*Problem))
		return
	}
	if c.wrong != nil && !s.limits.failures.take(c.from) {
		s.write(w, r, tooMany("too many requests with a wrong token"))
		return
	}
	if c.who.name != "" && !s.limits.requests.take(c.who.name+c.who.token) {
		s.write(w, r, tooMany("too many requests with this token"))
		return
	}
	if !s.declared[pattern] {
		s.missing(w, r, h)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// missing answers where no route is: to those who may look. refusal is the
// mux's own answer, which knows whether another method would do.
func (s *Server) missing(w http.ResponseWriter, r *http.Request, refusal http.Handler) {
	if p := callOf(r.Context()).refused(ScopeRead); p != nil {
		s.write(w, r, p)
		return
	}
	probe := &probe{header: http.Header{}}
	refusal.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		p := problem(http.StatusMethodNotAllowed, "method", "%s is not for %s", r.Method, r.URL.Path)
		p.allow = probe.header.Values("Allow")
		s.write(w, r, p)
		return
	}
	s.write(w, r, problem(http.StatusNotFound, "not_found", "there is nothing at %s", r.URL.Path).hint("%s/openapi.json lists what there is", Base))
}

// probe takes an answer that goes nowhere.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) WriteHeader(status int)      { p.status = status }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

func tooMany(detail string) *Problem {
	p := problem(http.StatusTooManyRequests, "rate_limited", "%s", detail).hint("wait a little; ask for pages and streams instead of polling")
	p.retry = 1
	return p
}
