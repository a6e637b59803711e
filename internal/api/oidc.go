package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/oauth2"

	"elt/state"
)

// OIDC is a provider of OpenID Connect at which browsers log in: authorization
// code with PKCE, a nonce in the ID token, and a state that counts once.
type OIDC struct {
	Issuer, ClientID, ClientSecret string
	PublicURL                      string   // of the daemon, as browsers see it
	Name                           string   // on the button; "" is the issuer's host
	Scopes                         []string // asked for beside openid
	// Claim is what gives a scope, with dots for parts of objects; each list
	// are the values that do, "*" being any login.
	Claim            string
	Read, Run, Admin []string
}

// provider is an OIDC provider in use.
type provider struct {
	OIDC
	client *http.Client
	seal   cipher.AEAD // of what a browser carries from the beginning of a login to its end

	mu    sync.Mutex
	found *oidc.Provider
}

const (
	loginCookie = "elt_login"
	loginPath   = Base + "/session/oidc"
	// loginLife is how long a login may take.
	loginLife = 10 * time.Minute
	// providerPatience is how long one answer of a provider may take.
	providerPatience = 10 * time.Second
)

// newProvider makes one; what a browser carries is sealed under a key that all
// daemons with the same client secret have.
func newProvider(o OIDC) *provider {
	key := sha256.Sum256([]byte("elt login\x00" + o.Issuer + "\x00" + o.ClientID + "\x00" + o.ClientSecret))
	if o.ClientSecret == "" {
		rand.Read(key[:]) // never fails; a login ends at the daemon where it began
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &provider{OIDC: o, seal: seal, client: &http.Client{Timeout: providerPatience}}
}

// discover asks the provider what it is, until it has answered once: it may be
// away when the daemon starts.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask the provider of logins %s what it is: %w", p.Issuer, err)
	}
	p.found = found
	return found, nil
}

func (p *provider) config(found *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: found.Endpoint(),
		RedirectURL: strings.TrimRight(p.PublicURL, "/") + loginPath + "/callback", Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}
}

// loginUnderway is one login; its browser carries it.
type loginUnderway struct {
	State, Nonce, Verifier, Next string
	Ends                         time.Time
}

func (p *provider) sealed(l loginUnderway) string {
	nonce := make([]byte, p.seal.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(p.seal.Seal(nonce, nonce, jsonOf(l), nil))
}

func (p *provider) opened(text string) (l loginUnderway, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < p.seal.NonceSize() {
		return l, errors.New("no login is under way in this browser")
	}
	n := p.seal.NonceSize()
	if raw, err = p.seal.Open(nil, raw[:n], raw[n:], nil); err == nil {
		err = json.Unmarshal(raw, &l)
	}
	if err != nil {
		return l, errors.New("the login under way in this browser is not ours")
	}
	if time.Now().After(l.Ends) {
		return l, errors.New("the login took too long")
	}
	return l, nil
}

// person is who logged in.
type person struct {
	name  string
	scope Scope
}

// loginRefused is a login that failed: a code for the page, and for the log why.
type loginRefused struct {
	code string
	err  error
}

func (r *loginRefused) Error() string { return r.err.Error() }

func refuse(code, format string, args ...any) error {
	return &loginRefused{code, fmt.Errorf(format, args...)}
}

// complete exchanges the code, and checks what comes: issuer, audience, expiry
// and signature of the ID token, the nonce, and that the access token is its own.
func (p *provider) complete(ctx context.Context, l loginUnderway, code string) (person, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	found, err := p.discover(ctx)
	if err != nil {
		return person{}, refuse("provider", "%w", err)
	}
	token, err := p.config(found).Exchange(ctx, code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return person{}, refuse("provider", "exchange the code at %s: %w", p.Issuer, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return person{}, refuse("token", "the ID token of %s: %w", p.Issuer, err)
	}
	if l.Nonce == "" || id.Nonce != l.Nonce {
		return person{}, refuse("token", "the ID token is of another login (nonce)")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return person{}, refuse("token", "the access token: %w", err)
		}
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return person{}, refuse("token", "the claims of the ID token: %w", err)
	}
	if azp, ok := claims["azp"].(string); len(id.Audience) > 1 && (!ok || azp != p.ClientID) {
		return person{}, refuse("token", "the ID token was made for another client (azp)")
	}
	if claimOf(claims, p.Claim) == nil && found.UserInfoEndpoint() != "" { // some providers say it only there
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err == nil && info.Subject == id.Subject {
			err = info.Claims(&claims)
		}
		if err != nil {
			return person{}, refuse("provider", "ask %s for the user: %w", p.Issuer, err)
		}
	}
	who := person{name: nameOf(claims, id.Subject), scope: p.scopeOf(claims)}
	if who.scope == "" {
		return who, refuse("scope", "%s logged in at %s, and no value of the claim %s gives a scope: it is %s", who.name, p.Issuer, p.Claim, jsonOf(claimOf(claims, p.Claim)))
	}
	return who, nil
}

// claimOf is a claim's values: of a text, itself. Dots lead into objects, where
// no claim has the whole name.
func claimOf(claims map[string]any, name string) []string {
	v, ok := claims[name]
	if !ok {
		first, rest, dotted := strings.Cut(name, ".")
		inner, is := claims[first].(map[string]any)
		if !dotted || !is {
			return nil
		}
		return claimOf(inner, rest)
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		list := []string{}
		for _, one := range v {
			if text, ok := one.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}

// scopeOf is the highest that a claim gives; "" none.
func (p *provider) scopeOf(claims map[string]any) Scope {
	have := claimOf(claims, p.Claim)
	for _, g := range []struct {
		scope  Scope
		values []string
	}{{ScopeAdmin, p.Admin}, {ScopeRun, p.Run}, {ScopeRead, p.Read}} {
		if slices.Contains(g.values, "*") || slices.ContainsFunc(have, func(v string) bool { return slices.Contains(g.values, v) }) {
			return g.scope
		}
	}
	return ""
}

// nameOf is what the audit calls a person; the prefix keeps it apart from
// tokens' names.
func nameOf(claims map[string]any, subject string) string {
	name := subject
	for _, claim := range []string{"name", "email", "preferred_username"} {
		if text, ok := claims[claim].(string); ok && text != "" {
			name = text
		}
	}
	if len(name) > 200 {
		name = name[:200]
	}
	return "oidc:" + strings.ToValidUTF8(name, "")
}

// LoginMethods says how a browser may log in.
type LoginMethods struct {
	Token bool        `json:"token"`
	OIDC  *OIDCMethod `json:"oidc,omitempty" doc:"Absent: none is configured."`
}

// OIDCMethod is a login at a provider.
type OIDCMethod struct {
	Name string `json:"name" doc:"For the button."`
	URL  string `json:"url" doc:"Where the browser goes; ?next=/path is where it comes back to."`
}

type beginInput struct {
	Next string `query:"next" maxLength:"2000" doc:"The page to come back to."`
}

type callbackInput struct {
	Cookie      string `cookie:"elt_login" hidden:"true"`
	State       string `query:"state" maxLength:"200"`
	Code        string `query:"code" maxLength:"4096"`
	Error       string `query:"error" maxLength:"200"`
	Description string `query:"error_description" maxLength:"2000"`
}

type redirectOutput struct {
	Location string        `header:"Location"`
	Cookies  []http.Cookie `header:"Set-Cookie"`
}

func (s *Server) oidcRoutes() {
	found := func(op huma.Operation) huma.Operation { op.DefaultStatus = http.StatusFound; return op }
	route(s, ScopePublic, operation(http.MethodGet, "/session/methods", "session.methods", "session", "How a browser may log in", ""),
		func(context.Context, *struct{}) (*body[LoginMethods], error) {
			m := LoginMethods{Token: true}
			if s.oidc != nil {
				m.OIDC = &OIDCMethod{s.oidc.name(), loginPath}
			}
			return answer(m), nil
		})
	route(s, ScopePublic, found(operation(http.MethodGet, "/session/oidc", "session.oidc", "session", "Begin a login at the OIDC provider",
		"For browsers: redirects to the provider, which comes back to /session/oidc/callback. 404 when none is configured.")), s.beginLogin)
	route(s, ScopePublic, found(operation(http.MethodGet, "/session/oidc/callback", "session.callback", "session", "End a login at the OIDC provider",
		"Sets the session's cookie and redirects to the page that was asked for; a login that failed goes to /login?refused=CODE.")), s.endLogin)
}

func (p *provider) name() string {
	if p.Name != "" {
		return p.Name
	}
	if u, err := url.Parse(p.Issuer); err == nil && u.Host != "" {
		return u.Host
	}
	return p.Issuer
}

func (s *Server) beginLogin(ctx context.Context, in *beginInput) (*redirectOutput, error) {
	if s.oidc == nil {
		return nil, problem(http.StatusNotFound, "no_oidc", "no OpenID Connect provider is configured").hint("set oidc_issuer, oidc_client_id and public_url: docs/api.md")
	}
	if !s.limits.failures.take(callOf(ctx).from) {
		return nil, tooMany("too many logins")
	}
	found, err := s.oidc.discover(ctx)
	if err != nil {
		s.Log.Warn().Err(err).Msg("nobody can log in")
		return s.backToLogin("provider"), nil
	}
	l := loginUnderway{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: localPath(in.Next), Ends: time.Now().Add(loginLife)}
	return &redirectOutput{Location: s.oidc.config(found).AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)),
		Cookies: []http.Cookie{s.loginCookie(s.oidc.sealed(l), l.Ends)}}, nil
}

// loginCookie carries a login; it has to come back with the provider's
// redirect, which another site sends.
func (s *Server) loginCookie(value string, ends time.Time) http.Cookie {
	c := cookie(value, ends, s.oidc.secure())
	c.Name, c.Path, c.SameSite = loginCookie, loginPath, http.SameSiteLaxMode
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (p *provider) secure() bool { return strings.HasPrefix(p.PublicURL, "https://") }

// backToLogin shows the login page with a word about what went wrong.
func (s *Server) backToLogin(code string) *redirectOutput {
	return &redirectOutput{Location: "/login?refused=" + code, Cookies: []http.Cookie{s.loginCookie("", time.Unix(1, 0))}}
}

func (s *Server) endLogin(ctx context.Context, in *callbackInput) (*redirectOutput, error) {
	if s.oidc == nil {
		return nil, problem(http.StatusNotFound, "no_oidc", "no OpenID Connect provider is configured")
	}
	who, next, secret, ends, err := s.enter(ctx, in)
	c := callOf(ctx)
	if why := (*loginRefused)(nil); errors.As(err, &why) {
		s.Log.Warn().Err(errors.New(s.Mask(why.Error()))).Str("trace_id", c.trace).Str("from", c.from).Msg("a login was refused")
		if who.name != "" {
			c.who = identity{name: who.name}
			s.audit(ctx, c, "session.oidc", http.StatusForbidden)
		}
		return s.backToLogin(why.code), nil
	}
	if err != nil {
		return nil, err
	}
	s.audit(ctx, c, "session.oidc", http.StatusFound)
	return &redirectOutput{Location: next, Cookies: []http.Cookie{s.loginCookie("", time.Unix(1, 0)), cookie(secret, ends, s.oidc.secure())}}, nil
}

// enter ends a login, and begins the session.
func (s *Server) enter(ctx context.Context, in *callbackInput) (who person, next, secret string, ends time.Time, err error) {
	l, err := s.oidc.opened(in.Cookie)
	switch {
	case err != nil:
		err = refuse("state", "%w", err)
	case in.State != l.State || l.State == "":
		err = refuse("state", "the provider's answer is of another login")
	case in.Error != "":
		err = refuse("provider", "%s says %s: %s", s.oidc.Issuer, in.Error, in.Description)
	case in.Code == "":
		err = refuse("provider", "%s sent no code", s.oidc.Issuer)
	default:
		who, err = s.oidc.complete(ctx, l, in.Code)
	}
	if err != nil {
		return who, "", "", ends, err
	}
	secret, hash := newSecret(sessionPrefix)
	ends = time.Now().Add(sessionLife)
	session, err := s.Store.CreateToken(ctx, state.Token{ID: sessionOf(l.State), Name: who.name, Scope: string(who.scope), Hash: hash,
		Session: true, Creator: who.name, Expires: &ends})
	if errors.Is(err, state.ErrTaken) {
		err = refuse("state", "the provider's answer was used before")
	}
	if err != nil {
		return who, "", "", ends, err
	}
	c := callOf(ctx)
	c.who = identity{name: who.name, token: session.ID, scope: who.scope, expires: session.Expires, session: true}
	note(ctx, session.ID, map[string]string{"scope": string(who.scope)})
	return who, l.Next, secret, ends, nil
}

// sessionOf is the id of the session that a login leads to: there is one of a
// state, at whichever daemon the provider's answer is used.
func sessionOf(login string) string {
	sum := sha256.Sum256([]byte(login))
	return "oidc-" + hex.EncodeToString(sum[:16])
}

// localPath is a page of this daemon, whatever was asked for.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
