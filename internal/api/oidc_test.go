package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"elt/internal/fake/oidc"
	"elt/state"
)

// browser has cookies, and follows redirects one by one.
type browser struct {
	t       *testing.T
	cookies map[string]*http.Cookie
}

// get asks, and takes the cookies of the answer.
func (b *browser) get(address string) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.cookies {
		if strings.HasPrefix(r.URL.Path, c.Path) {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return res
}

// scene is the API with a provider.
type scene struct {
	*world
	provider *oidc.Provider
	front    *httptest.Server // the daemon as browsers see it
}

func newScene(t *testing.T, change ...func(*OIDC)) *scene {
	s := &scene{}
	s.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.server.Handler().ServeHTTP(w, r) }))
	t.Cleanup(s.front.Close)
	s.provider = oidc.New("elt client", "canary:secret/0007", s.front.URL+loginPath+"/callback")
	t.Cleanup(s.provider.Close)
	o := OIDC{Issuer: s.provider.URL, ClientID: "elt client", ClientSecret: "canary:secret/0007", PublicURL: s.front.URL + "/", Scopes: []string{"profile", "groups"},
		Claim: "groups", Read: []string{"staff"}, Run: []string{"data"}, Admin: []string{"ops", "root"}}
	for _, f := range change {
		f(&o)
	}
	s.world = newWorld(t, func(c *Config) { c.OIDC = &o })
	return s
}

func (s *scene) browser() *browser { return &browser{s.t, map[string]*http.Cookie{}} }

// begin goes to the provider; it gives the address that leads back.
func (s *scene) begin(b *browser, next string) string {
	s.t.Helper()
	res := b.get(s.front.URL + loginPath + "?next=" + url.QueryEscape(next))
	if res.StatusCode != 302 || !strings.HasPrefix(res.Header.Get("Location"), s.provider.URL+"/authorize?") {
		s.t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	res = b.get(res.Header.Get("Location"))
	if res.StatusCode != 302 {
		s.t.Fatalf("the provider: %d", res.StatusCode)
	}
	return res.Header.Get("Location")
}

// login is a whole login; it says where the browser ends up.
func (s *scene) login(b *browser, next string) string {
	s.t.Helper()
	return b.get(s.begin(b, next)).Header.Get("Location")
}

func TestLoginAtAProvider(t *testing.T) {
	s := newScene(t)
	if m := into[LoginMethods](t, s.want(200, "GET", "/api/v1/session/methods", "", "Authorization: ")); !m.Token || m.OIDC == nil || m.OIDC.URL != loginPath || m.OIDC.Name == "" {
		t.Errorf("%+v", m)
	}
	s.provider.Say(map[string]any{"groups": []any{"staff", "data"}, "email": "ann@example.com"}, nil)
	b := s.browser()
	if to := s.login(b, "/runs?x=1"); to != "/runs?x=1" {
		t.Fatal(to)
	}
	c := b.cookies[cookieName]
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || b.cookies[loginCookie] != nil {
		t.Fatalf("%+v", b.cookies)
	}
	me := into[Me](t, s.want(200, "GET", "/api/v1/session", "", "Authorization: ", "Cookie: "+cookieName+"="+c.Value))
	if me.Name != "oidc:ann@example.com" || me.Scope != ScopeRun || !me.Session || me.ExpiresAt == nil {
		t.Errorf("%+v", me)
	}
	s.want(403, "GET", "/api/v1/tokens", "", "Authorization: ", "Cookie: "+cookieName+"="+c.Value)
	s.want(401, "GET", "/api/v1/session", "", "Authorization: Bearer "+c.Value) // a session is no token
	deeds := into[List[Deed]](t, s.want(200, "GET", "/api/v1/audit?limit=1", "")).Items
	if deeds[0].Action != "session.oidc" || deeds[0].Who != me.Name || deeds[0].Status != 302 {
		t.Errorf("%+v", deeds)
	}
	s.want(204, "DELETE", "/api/v1/session", "", "Authorization: ", "Cookie: "+cookieName+"="+c.Value)
	s.want(401, "GET", "/api/v1/session", "", "Authorization: ", "Cookie: "+cookieName+"="+c.Value)
	if log := s.log.String(); strings.Contains(log, "canary") || strings.Contains(log, c.Value) {
		t.Error("the log holds a secret")
	}
}

func TestScopesOfClaims(t *testing.T) {
	for name, c := range map[string]struct {
		claims, info map[string]any
		change       func(*OIDC)
		want         Scope
	}{
		"a text":               {claims: map[string]any{"groups": "staff"}, want: ScopeRead},
		"the highest":          {claims: map[string]any{"groups": []any{"staff", "root", "data"}}, want: ScopeAdmin},
		"inside of an object":  {claims: map[string]any{"realm_access": map[string]any{"roles": []any{"data"}}}, change: func(o *OIDC) { o.Claim = "realm_access.roles" }, want: ScopeRun},
		"a name with dots":     {claims: map[string]any{"https://x.y/roles": []any{"data"}}, change: func(o *OIDC) { o.Claim = "https://x.y/roles" }, want: ScopeRun},
		"of the user info":     {info: map[string]any{"groups": []any{"ops"}}, want: ScopeAdmin},
		"user info of another": {info: map[string]any{"sub": "user-2", "groups": []any{"ops"}}},
		"everybody":            {change: func(o *OIDC) { o.Read = []string{"*"} }, want: ScopeRead},
		"nobody":               {claims: map[string]any{"groups": []any{"Staff", 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, func(o *OIDC) {
				if c.change != nil {
					c.change(o)
				}
			})
			s.provider.Say(c.claims, c.info)
			b := s.browser()
			to := s.login(b, "")
			session := b.cookies[cookieName]
			if c.want == "" {
				if to != "/login?refused=scope" || session != nil {
					t.Errorf("%s %v", to, session)
				}
				return
			}
			if to != "/" || session == nil {
				t.Fatalf("%s\n%s", to, s.log.String())
			}
			if me := into[Me](t, s.want(200, "GET", "/api/v1/session", "", "Authorization: ", "Cookie: "+cookieName+"="+session.Value)); me.Scope != c.want || me.Name != "oidc:user-1" {
				t.Errorf("%+v", me)
			}
		})
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		claims map[string]any
		do     func(*oidc.Provider)
		want   string
	}{
		"wrong nonce":                {claims: map[string]any{"nonce": "another"}, want: "token"},
		"no nonce":                   {claims: map[string]any{"nonce": nil}, want: "token"},
		"expired":                    {claims: map[string]any{"exp": now.Add(-time.Minute).Unix()}, want: "token"},
		"wrong audience":             {claims: map[string]any{"aud": "another client"}, want: "token"},
		"made for another client":    {claims: map[string]any{"aud": []any{"elt client", "another"}, "azp": "another"}, want: "token"},
		"wrong issuer":               {claims: map[string]any{"iss": "https://evil.example"}, want: "token"},
		"another access token":       {claims: map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, want: "token"},
		"unknown key":                {do: func(p *oidc.Provider) { p.SignAsStranger(false) }, want: "token"},
		"a key under another's name": {do: func(p *oidc.Provider) { p.SignAsStranger(true) }, want: "token"},
		"the user refuses":           {do: func(p *oidc.Provider) { p.Deny("access_denied") }, want: "provider"},
		"another client secret":      {do: func(p *oidc.Provider) { p.ClientSecret = "changed" }, want: "provider"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			claims := map[string]any{"groups": []any{"ops"}}
			for k, v := range c.claims {
				claims[k] = v
			}
			s.provider.Say(claims, nil)
			if c.do != nil {
				c.do(s.provider)
			}
			b := s.browser()
			if to := s.login(b, "/"); to != "/login?refused="+c.want || b.cookies[cookieName] != nil || b.cookies[loginCookie] != nil {
				t.Errorf("%s %v", to, b.cookies)
			}
			if list, err := s.store.Tokens(t.Context(), true); err != nil || len(list) != 0 {
				t.Errorf("%+v %v", list, err)
			}
			if strings.Contains(s.log.String(), "canary") {
				t.Error("the log holds a secret")
			}
		})
	}
}

// A provider changes its keys; sessions go on, and logins work with the new one.
func TestKeysRotate(t *testing.T) {
	s := newScene(t)
	s.provider.Say(map[string]any{"groups": "ops"}, nil)
	for range 3 {
		if b := s.browser(); s.login(b, "/") != "/" || b.cookies[cookieName] == nil {
			t.Fatal("no login")
		}
		s.provider.Rotate()
	}
	if n := s.provider.Asked("/keys"); n != 3 {
		t.Errorf("the keys were asked for %d times", n)
	}
	if n := s.provider.Asked("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovered %d times", n)
	}
}

func TestStates(t *testing.T) {
	s := newScene(t)
	s.provider.Say(map[string]any{"groups": "ops"}, nil)
	refused := func(what string, b *browser, address string) {
		t.Helper()
		if to := b.get(address).Header.Get("Location"); !strings.HasPrefix(to, "/login?refused=") || b.cookies[cookieName] != nil {
			t.Errorf("%s: %s %v", what, to, b.cookies[cookieName])
		}
	}
	b := s.browser()
	back := s.begin(b, "/")
	refused("another browser", s.browser(), back)
	thief := s.browser()
	s.begin(thief, "/")
	refused("a login under way in another browser", thief, back)
	kept := *b.cookies[loginCookie]
	if to := b.get(back).Header.Get("Location"); to != "/" || b.cookies[cookieName] == nil {
		t.Fatal(to)
	}
	delete(b.cookies, cookieName)
	refused("the answer once more", b, back)
	b.cookies[loginCookie] = &kept // somebody kept the browser's cookie, and has a new code
	answer, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	fresh := s.begin(s.browser(), "/")
	other, err := url.Parse(fresh)
	if err != nil {
		t.Fatal(err)
	}
	q := answer.Query()
	q.Set("code", other.Query().Get("code"))
	answer.RawQuery = q.Encode()
	refused("a replayed state with a new code", b, answer.String())
	forged := s.browser()
	forged.cookies[loginCookie] = &http.Cookie{Name: loginCookie, Path: "/", Value: strings.Repeat("A", 200)}
	refused("a forged cookie", forged, back)
	late := s.browser()
	late.cookies[loginCookie] = &http.Cookie{Name: loginCookie, Path: "/", Value: s.server.oidc.sealed(loginUnderway{State: "s", Nonce: "n", Verifier: "v", Ends: time.Now().Add(-time.Second)})}
	refused("a late answer", late, s.front.URL+loginPath+"/callback?state=s&code=c")
	refused("no state", s.browser(), s.front.URL+loginPath+"/callback?code=c")
}

// One login gives one session, at whichever daemon it ends.
func TestAStateCountsOnce(t *testing.T) {
	s := newScene(t)
	create := func() error {
		_, err := s.store.CreateToken(t.Context(), state.Token{ID: sessionOf("state"), Name: "oidc:ann", Scope: "read", Hash: Hash("elts_x"), Session: true})
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != state.ErrTaken {
		t.Fatal(err)
	}
}

func TestWhereALoginLeads(t *testing.T) {
	for next, want := range map[string]string{"/runs/x?y=1#z": "/runs/x?y=1#z", "": "/", "runs": "/", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/"} {
		if got := localPath(next); got != want {
			t.Errorf("%q: %s", next, got)
		}
	}
}

func TestWithoutAProvider(t *testing.T) {
	w := newWorld(t)
	if m := into[LoginMethods](t, w.want(200, "GET", "/api/v1/session/methods", "")); m.OIDC != nil {
		t.Errorf("%+v", m)
	}
	w.want(404, "GET", loginPath, "")
	w.want(404, "GET", loginPath+"/callback?code=x&state=y", "")
	s := newScene(t)
	s.provider.Close() // away
	if to := s.browser().get(s.front.URL + loginPath).Header.Get("Location"); to != "/login?refused=provider" {
		t.Error(to)
	}
}
