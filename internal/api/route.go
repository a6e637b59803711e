package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// Scope is what a token allows; each includes those before it.
type Scope string

// Public routes need no token. What has no scope is served to nobody.
const (
	ScopePublic Scope = "public"
	ScopeRead   Scope = "read"
	ScopeRun    Scope = "run"
	ScopeAdmin  Scope = "admin"
)

// Scopes are those that a token can have.
var scopes = [...]Scope{ScopeRead, ScopeRun, ScopeAdmin}

// includes says whether a token of scope s may use a route of scope route.
func (s Scope) includes(route Scope) bool {
	if route == ScopePublic {
		return true
	}
	have, need := slices.Index(scopes[:], s), slices.Index(scopes[:], route)
	return need >= 0 && have >= need
}

// Route is one registered route.
type Route struct {
	Method, Path string
	Scope        Scope
}

// Routes are all that is registered.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// declare makes a pattern of the mux one that is served.
func (s *Server) declare(method, path string, scope Scope) {
	s.routes = append(s.routes, Route{method, path, scope})
	s.declared[method+" "+path] = true
}

// operation describes a route; its path is below Base.
func operation(method, path, id, tag, summary, description string) huma.Operation {
	return huma.Operation{Method: method, Path: Base + path, OperationID: id, Summary: summary, Description: description, Tags: []string{tag}}
}

// created is an operation that answers 201.
func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

// route registers an operation for tokens of a scope. Errors of do become
// problems; where the method writes, the call is audited as the operation's id.
func route[I, O any](s *Server, scope Scope, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	s.declare(op.Method, op.Path, scope)
	op.MaxBodyBytes = maxBody
	op.Metadata = map[string]any{"scope": scope}
	op.Extensions = map[string]any{"x-elt-scope": string(scope)}
	if scope != ScopePublic {
		op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	op.Middlewares = append(huma.Middlewares{s.guard(scope, op.OperationID, op.Method != http.MethodGet)}, op.Middlewares...)
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")}}}
	if _, own := reflect.TypeFor[O]().FieldByName("ETag"); op.Method == http.MethodGet && !own {
		conditional(&op)
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

// plain registers a handler outside of the OpenAPI description.
func (s *Server) plain(scope Scope, path string, h http.HandlerFunc) {
	s.declare(http.MethodGet, path, scope)
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		if p := callOf(r.Context()).refused(scope); p != nil {
			s.write(w, r, p)
			return
		}
		h(w, r)
	})
}

// guard lets those through whose token has the scope.
func (s *Server) guard(scope Scope, action string, writes bool) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		call := callOf(c.Context())
		if p := call.refused(scope); p != nil {
			p.TraceID = call.trace
			c.SetHeader("Content-Type", problemJSON)
			if p.Status == http.StatusUnauthorized {
				c.SetHeader("WWW-Authenticate", `Bearer realm="elt"`)
			}
			c.SetStatus(p.Status)
			_, _ = c.BodyWriter().Write(p.json())
		} else {
			next(c)
		}
		if writes {
			s.audit(c.Context(), call, action, c.Status())
		}
	}
}

// Page is how much of a list is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"The next_cursor of the page before."`
}

// List is a page of a list.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Asks for the next page; absent on the last one."`
}

// body wraps a payload as huma wants it.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{v} }

func list[T any](items []T, next string) *body[List[T]] {
	if items == nil {
		items = []T{}
	}
	return answer(List[T]{items, next})
}
