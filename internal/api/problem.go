package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"elt/internal/fault"
	"elt/state"
)

const problemJSON = "application/problem+json"

var problemType = reflect.TypeFor[Problem]()

// Problem is every error of the API (RFC 9457).
type Problem struct {
	Type    string  `json:"type" example:"urn:elt:problem:unknown_block" doc:"The kind of problem, as a URI."`
	Title   string  `json:"title" doc:"The status in words."`
	Status  int     `json:"status" doc:"The HTTP status."`
	Detail  string  `json:"detail,omitempty" doc:"What is wrong with this request."`
	Code    string  `json:"code" example:"unknown_block" doc:"The kind of problem, for programs."`
	Hint    string  `json:"hint,omitempty" doc:"What to do about it."`
	TraceID string  `json:"trace_id,omitempty" doc:"What the log knows this request by."`
	Errors  []Wrong `json:"errors,omitempty" doc:"What is wrong where in the request."`

	allow []string // methods, of a 405
	retry int      // seconds, of a 429 or 503
}

// Wrong is one mistake in a request.
type Wrong struct {
	Where   string `json:"where,omitempty" example:"body.from"`
	Message string `json:"message"`
}

// Error and GetStatus make it an error that huma answers with.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is huma's question for the type of the answer.
func (p *Problem) ContentType(string) string { return problemJSON }

// GetHeaders are further headers of the answer.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry > 0 {
		h.Set("Retry-After", fmt.Sprint(p.retry))
	}
	return h
}

func (p *Problem) json() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		return []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}`)
	}
	return text
}

// problem is an error of the request.
func problem(status int, code, format string, args ...any) *Problem {
	return &Problem{Type: "urn:elt:problem:" + code, Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func (p *Problem) hint(format string, args ...any) *Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// problem turns an error into one; what is not the asker's fault goes to the
// log, and out only as far as it is explained.
func (s *Server) problem(ctx context.Context, err error) error {
	call := callOf(ctx)
	var p *Problem
	var own *fault.Error
	switch {
	case errors.As(err, &p):
	case errors.Is(err, state.ErrNotFound):
		p = problem(http.StatusNotFound, "not_found", "there is no such thing")
	case errors.Is(err, state.ErrEnded):
		p = problem(http.StatusConflict, "ended", "it has ended already")
	case errors.Is(err, context.Canceled):
		p = problem(499, "cancelled", "the request was cancelled")
	case errors.As(err, &own) && (own.Code == fault.StoreAway || own.Code == fault.StoreSchema):
		p = problem(http.StatusServiceUnavailable, "store_away", "%s", s.Mask(own.Error())).hint("%s", fault.Advice(err))
		p.retry = 5
	case errors.As(err, &own):
		p = problem(http.StatusUnprocessableEntity, "invalid", "%s", s.Mask(err.Error())).hint("%s", s.Mask(fault.Advice(err)))
	default:
		p = problem(http.StatusInternalServerError, "internal", "something went wrong inside of elt").hint("the daemon's log knows more under this trace id")
	}
	if p.Status >= 500 {
		s.Log.Error().Err(err).Str("trace_id", call.trace).Int("status", p.Status).Msg("request failed")
	}
	p.TraceID = call.trace
	return p
}

// transform turns what huma says of a request into our form; values that were
// sent are not sent back, they may be secret.
func (s *Server) transform(c huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := map[int]string{http.StatusUnprocessableEntity: "invalid", http.StatusBadRequest: "malformed", http.StatusRequestEntityTooLarge: "too_large",
		http.StatusRequestTimeout: "too_slow", http.StatusUnsupportedMediaType: "media_type", http.StatusNotAcceptable: "not_acceptable"}[e.Status]
	if code == "" {
		code = "internal"
	}
	p := problem(e.Status, code, "%s", e.Detail)
	for _, d := range e.Errors {
		if e.Status < 500 {
			p.Errors = append(p.Errors, Wrong{d.Location, d.Message})
		}
	}
	if e.Status == http.StatusRequestEntityTooLarge {
		p.Detail = fmt.Sprintf("the body is larger than %d bytes", maxBody)
	}
	if e.Status >= 500 {
		s.Log.Error().Str("trace_id", callOf(c.Context()).trace).Err(e).Msg("request failed")
	}
	p.TraceID = callOf(c.Context()).trace
	return p, nil
}

// write answers with a problem outside of huma.
func (s *Server) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.TraceID = callOf(r.Context()).trace
	h := w.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="elt"`)
	}
	for _, m := range p.allow {
		h.Add("Allow", m)
	}
	h.Set("Content-Type", problemJSON)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.json())
}
