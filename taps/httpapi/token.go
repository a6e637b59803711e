package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// OAuth2 is a token that a server hands out for credentials.
type OAuth2 struct {
	TokenURL     string
	Grant        string // client_credentials, password, refresh_token, or JWTBearer
	ClientID     string
	ClientSecret string
	User         string
	Password     string
	Scopes       []string
	Extra        map[string]string // further parameters
	Style        oauth2.AuthStyle
	Life         time.Duration // of tokens that do not say it; 0: until a 401
	Refresh      *RefreshToken // of the grant refresh_token
	JWT          *JWT          // of the grant JWTBearer
	Silence      time.Duration
	Secrets      *Secrets
}

// JWTBearer is the grant of RFC 7523.
const JWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Auth is the login, made at the first request.
func (o OAuth2) Auth() Auth { return &login{o: o} }

type login struct {
	o     OAuth2
	mu    sync.Mutex
	token *oauth2.Token
	until time.Time // zero: until a 401
}

func (l *login) Apply(ctx context.Context, req *http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == nil || !l.until.IsZero() && !time.Now().Before(l.until) {
		if err := l.fetch(ctx); err != nil {
			return err
		}
	}
	l.token.SetAuthHeader(req)
	return nil
}

func (l *login) Renew(ctx context.Context, refused *http.Request) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &http.Request{Header: http.Header{}}
	if l.token != nil {
		l.token.SetAuthHeader(now)
	}
	if now.Header.Get("Authorization") != refused.Header.Get("Authorization") {
		return true, nil // another request has renewed it
	}
	return true, l.fetch(ctx)
}

// fetch gets a token; l.mu is held, so that one login serves all requests.
func (l *login) fetch(ctx context.Context) error {
	params := url.Values{"grant_type": {l.o.Grant}}
	for k, v := range l.o.Extra {
		params.Set(k, v)
	}
	if l.o.Grant == "refresh_token" {
		got, err := l.o.Refresh.exchange(ctx, l.token, func(old string) (*oauth2.Token, error) {
			params.Set("refresh_token", old)
			return l.get(ctx, params)
		})
		if err == nil {
			l.keep(got)
		}
		return err
	}
	if l.o.Grant == JWTBearer {
		assertion, err := l.o.JWT.Sign(time.Now())
		if err != nil {
			return err
		}
		l.o.Secrets.Add(assertion)
		params.Set("assertion", assertion)
	}
	if l.o.Grant == "password" {
		params.Set("username", l.o.User)
		params.Set("password", l.o.Password)
	}
	got, err := l.get(ctx, params)
	if err == nil {
		l.keep(got)
	}
	return err
}

// keep uses a token from now on.
func (l *login) keep(token *oauth2.Token) {
	l.o.Secrets.Add(token.AccessToken, token.RefreshToken)
	l.token, l.until = token, time.Time{}
	if !token.Expiry.IsZero() {
		l.until = token.Expiry
	}
}

// get asks for a token; its Expiry is when to ask for another, a little before
// it runs out.
func (l *login) get(ctx context.Context, params url.Values) (*oauth2.Token, error) {
	conf := clientcredentials.Config{ClientID: l.o.ClientID, ClientSecret: l.o.ClientSecret, TokenURL: l.o.TokenURL,
		Scopes: l.o.Scopes, EndpointParams: params, AuthStyle: l.o.Style}
	asked := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, l.o.Silence, errSilent)
	defer cancel()
	// A login that is redirected would take its credentials along.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	token, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	client.CloseIdleConnections()
	if err != nil {
		return nil, l.failed(ctx, err)
	}
	l.o.Secrets.Add(token.AccessToken, token.RefreshToken)
	life := l.o.Life
	if !token.Expiry.IsZero() {
		life = token.Expiry.Sub(asked)
	}
	if token.Expiry = (time.Time{}); life > 0 {
		token.Expiry = asked.Add(life - min(10*time.Second, life/10))
	}
	return token, nil
}

// failed is a token server's refusal, without what it was sent.
func (l *login) failed(ctx context.Context, err error) error {
	where := "POST " + l.o.TokenURL
	if u, bad := url.Parse(l.o.TokenURL); bad == nil {
		where = place("POST", u)
	}
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		status := refused.Response.StatusCode
		if status == http.StatusBadRequest {
			status = http.StatusUnauthorized // how RFC 6749 refuses a login
		}
		return &StatusError{Place: where, Status: status, Body: l.o.Secrets.Hide(excerpt(refused.Body)), Wait: -1}
	}
	return fmt.Errorf("%s: the login failed: %w", where, cause(ctx, bare(err)))
}
