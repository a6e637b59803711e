package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"elt/state"
)

// sessionLife is how long a browser stays logged in.
const sessionLife = 12 * time.Hour

// Me is who asks.
type Me struct {
	Name      string     `json:"name"`
	Scope     Scope      `json:"scope" enum:"read,run,admin"`
	Session   bool       `json:"session" doc:"Logged in by a browser."`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

type loginInput struct {
	Proto string `header:"X-Forwarded-Proto" hidden:"true"`
	Body  struct {
		Token string `json:"token" maxLength:"200" doc:"A token of elt token create."`
	}
}

type sessionOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
	Body   Me
}

type cookieOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) sessionRoutes() {
	route(s, ScopePublic, operation(http.MethodPost, "/session", "session.login", "session", "Log a browser in",
		"Exchanges a token for a session in a cookie that scripts cannot read. It ends after 12 hours, with the token, or by DELETE."), s.login)
	route(s, ScopeRead, operation(http.MethodGet, "/session", "session.show", "session", "Who am I", ""), s.me)
	route(s, ScopeRead, operation(http.MethodDelete, "/session", "session.logout", "session", "Log out", ""), s.logout)
}

func (s *Server) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	c := callOf(ctx)
	t, err := s.tokenOf(ctx, strings.TrimSpace(in.Body.Token))
	if err != nil {
		return nil, err
	}
	if t == nil || t.Over || t.Session {
		if !s.limits.failures.take(c.from) {
			return nil, tooMany("too many wrong tokens")
		}
		return nil, problem(http.StatusUnauthorized, "unauthenticated", "the token is unknown, expired or revoked")
	}
	secret, hash := newSecret(sessionPrefix)
	ends := time.Now().Add(sessionLife)
	if t.Expires != nil && t.Expires.Before(ends) {
		ends = *t.Expires
	}
	session, err := s.Store.CreateToken(ctx, state.Token{ID: uuid.NewString(), Name: t.Name, Scope: t.Scope, Hash: hash, Parent: t.ID,
		Session: true, Creator: t.Name, Expires: &ends})
	if err != nil {
		return nil, err
	}
	c.who = identity{name: t.Name, token: session.ID, parent: t.ID, scope: Scope(t.Scope), expires: session.Expires, session: true}
	note(ctx, session.ID, nil)
	return &sessionOutput{cookie(secret, ends, in.Proto == "https"), c.who.me()}, nil
}

func cookie(value string, ends time.Time, secure bool) http.Cookie {
	return http.Cookie{Name: cookieName, Value: value, Path: "/", Expires: ends, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}

func (i identity) me() Me { return Me{i.name, i.scope, i.session, i.expires} }

func (s *Server) me(ctx context.Context, _ *struct{}) (*body[Me], error) {
	return answer(callOf(ctx).who.me()), nil
}

func (s *Server) logout(ctx context.Context, _ *struct{}) (*cookieOutput, error) {
	who := callOf(ctx).who
	if who.session {
		note(ctx, who.token, nil)
		if _, err := s.Store.RevokeToken(ctx, who.token); err != nil {
			return nil, err
		}
	}
	gone := cookie("", time.Unix(1, 0), false)
	gone.MaxAge = -1
	return &cookieOutput{gone}, nil
}
