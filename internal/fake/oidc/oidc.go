// Package oidc is a provider of OpenID Connect on loopback, for tests:
// discovery, authorization code with PKCE, JWKS with keys that change, user
// info. It checks what a provider checks (RFC 6749, RFC 7636, OpenID Connect
// Core 1.0), and can be told to hand out tokens that a client must refuse.
package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is one provider with one client and one user, who always agrees.
type Provider struct {
	*httptest.Server
	ClientID, ClientSecret, RedirectURL string

	mu sync.Mutex
	// Claims are what is said of the user, over the usual ones of an ID token;
	// nil takes one away. UserInfo is what the endpoint of that name says.
	claims, userInfo map[string]any
	deny             string
	keys             []key // the last one signs
	stranger         *key  // signs instead, and is not in the JWKS
	codes            map[string]grant
	tokens           map[string]bool
	asked            map[string]int
}

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

// grant is what a code stands for.
type grant struct {
	nonce, challenge, redirect string
}

// New starts a provider.
func New(clientID, clientSecret, redirectURL string) *Provider {
	p := &Provider{ClientID: clientID, ClientSecret: clientSecret, RedirectURL: redirectURL, codes: map[string]grant{}, tokens: map[string]bool{}, asked: map[string]int{}}
	p.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.jwks)
	mux.HandleFunc("GET /userinfo", p.info)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		p.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	return p
}

// Say sets what is said of the user, in the ID token and at the user info.
func (p *Provider) Say(claims, userInfo map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.userInfo = maps.Clone(claims), maps.Clone(userInfo)
}

// Deny makes the user refuse, with an error code; "" lets them agree again.
func (p *Provider) Deny(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deny = code
}

// Rotate signs with a new key from now on; older ones stay known.
func (p *Provider) Rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, newKey(fmt.Sprintf("key-%d", len(p.keys)+1)))
}

// SignAsStranger signs with a key that is not the provider's, under the id of
// one that is, or under one that nobody knows.
func (p *Provider) SignAsStranger(known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := newKey("nobody's")
	if known {
		k.id = p.keys[len(p.keys)-1].id
	}
	p.stranger = &k
}

// Asked is how often a path was asked for.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func newKey(id string) key {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key{id, k}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"userinfo_endpoint": p.URL + "/userinfo", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

// authorize is the page at which a user agrees. What is wrong with the client
// or its address is shown to the user; anything else goes back to the client.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	if q.Get("client_id") != p.ClientID || q.Get("redirect_uri") != p.RedirectURL {
		http.Error(w, "no such client, or not its address", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {q.Get("state")}}
	switch {
	case q.Get("response_type") != "code", !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		back.Set("error", "invalid_request")
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		back.Set("error", "invalid_request")
		back.Set("error_description", "PKCE with S256 is needed")
	case p.deny != "":
		back.Set("error", p.deny)
	default:
		code := rand.Text()
		p.codes[code] = grant{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
		back.Set("code", code)
	}
	http.Redirect(w, r, p.RedirectURL+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(status int, code string) { answer(w, status, map[string]string{"error": code}) }
	id, secret, basic := r.BasicAuth()
	if basic { // both are form-encoded first (RFC 6749 2.3.1)
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != p.ClientID || secret != p.ClientSecret {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	code := r.PostFormValue("code")
	g, ok := p.codes[code]
	delete(p.codes, code) // a code counts once
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != g.redirect ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	access := rand.Text()
	p.tokens[access] = true
	half := sha256.Sum256([]byte(access))
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": p.ClientID, "sub": "user-1", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"nonce": g.nonce, "at_hash": base64.RawURLEncoding.EncodeToString(half[:16])}
	maps.Copy(claims, p.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	answer(w, 200, map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(claims)})
}

func (p *Provider) sign(claims map[string]any) string {
	k := p.keys[len(p.keys)-1]
	if p.stranger != nil {
		k = *p.stranger
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, nil)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: "ES256", Use: "sig"})
	}
	answer(w, 200, set)
}

func (p *Provider) info(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	access, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !p.tokens[access] {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	said := map[string]any{"sub": "user-1"}
	maps.Copy(said, p.userInfo)
	answer(w, 200, said)
}
