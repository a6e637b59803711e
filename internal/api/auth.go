package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"elt/state"
)

// identity is who makes a request; the zero value is nobody.
type identity struct {
	name  string
	token string // id of the token or session
	// parent is the token that a session stands for.
	parent  string
	scope   Scope
	expires *time.Time
	session bool
}

const (
	tokenPrefix   = "elt_"
	sessionPrefix = "elts_"
	cookieName    = "elt_session"
	// noted is how often the use of a token is written down.
	noted = time.Minute
)

// NewSecret makes a secret of 256 bits for a token, and the hash that is kept of it.
func NewSecret() (secret, hash string) { return newSecret(tokenPrefix) }

func newSecret(prefix string) (secret, hash string) {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	secret = prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret, Hash(secret)
}

// Hash is what is kept of a secret. The secret is random and long: nothing
// slower than SHA-256 is needed against guessing.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// authenticate finds out who makes a request; a secret that is wrong, expired
// or revoked is a problem even where none is needed.
func (s *Server) authenticate(r *http.Request, c *call) error {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			c.wrong = problem(http.StatusUnauthorized, "unauthenticated", "the API takes tokens: Authorization: Bearer elt_…")
			return nil
		}
		return s.identify(r.Context(), c, strings.TrimSpace(secret), false)
	}
	if cookie, err := r.Cookie(cookieName); err == nil && cookie.Value != "" {
		return s.identify(r.Context(), c, cookie.Value, true)
	}
	if s.NoAuthOnLoopback && local(r) {
		c.who = identity{name: "loopback", scope: ScopeAdmin}
	}
	return nil
}

// identify looks a secret up.
func (s *Server) identify(ctx context.Context, c *call, secret string, cookie bool) error {
	t, err := s.tokenOf(ctx, secret)
	if err != nil {
		return err
	}
	// A session lives in the cookie of its browser and nowhere else.
	if t == nil || t.Over || t.Session != cookie {
		c.wrong = problem(http.StatusUnauthorized, "unauthenticated", "the token is unknown, expired or revoked").
			hint("elt token create NAME --scope read|run|admin makes one")
		return nil
	}
	c.who = identity{name: t.Name, token: t.ID, parent: t.Parent, scope: Scope(t.Scope), expires: t.Expires, session: t.Session}
	if last, ok := s.noted.Load(t.ID); !ok || time.Since(last.(time.Time)) > noted {
		s.noted.Store(t.ID, time.Now())
		for _, id := range []string{t.ID, t.Parent} {
			if id == "" {
				continue
			}
			if err := s.Store.UseToken(ctx, id, noted); err != nil {
				s.Log.Warn().Err(err).Msg("the use of a token could not be noted")
			}
		}
	}
	return nil
}

// tokenOf is the token of a secret; nil when there is none.
func (s *Server) tokenOf(ctx context.Context, secret string) (*state.Token, error) {
	if len(secret) > 200 || !strings.HasPrefix(secret, tokenPrefix) && !strings.HasPrefix(secret, sessionPrefix) {
		return nil, nil
	}
	hash := Hash(secret)
	t, err := s.Store.TokenOf(ctx, hash)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) != 1 {
		return nil, nil
	}
	return &t, nil
}

// refused says why a request may not use a route of a scope; nil: it may.
func (c *call) refused(scope Scope) *Problem {
	switch {
	case scope == ScopePublic:
		return nil
	case c.who.name == "" && c.wrong != nil:
		return c.wrong
	case c.who.name == "":
		return problem(http.StatusUnauthorized, "unauthenticated", "this needs a token").
			hint("send Authorization: Bearer TOKEN; elt token create NAME --scope read|run|admin makes one")
	case !c.who.scope.includes(scope):
		return problem(http.StatusForbidden, "forbidden", "this needs a token of scope %s, and %q has scope %s", scope, c.who.name, c.who.scope)
	}
	return nil
}

// local says that a request comes from this machine itself, not through a
// proxy, and is meant for it: a page whose name was bound to 127.0.0.1 after
// it was loaded (DNS rebinding) names another host.
func local(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	ip := net.ParseIP(addressOf(r))
	return ip != nil && ip.IsLoopback() && loopbackHost(r.Host)
}

func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// addressOf is the peer's address; what a header claims does not count.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
