package xactly

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// login is a token of Connect's, got for a user's name and password.
type login struct {
	at      *url.URL // with client_id, consumer and api
	body    []byte
	client  *httpapi.Client // without retries: it is the caller who retries
	secrets *httpapi.Secrets

	mu    sync.Mutex
	token string
	until time.Time // zero: until a 401
}

func (l *login) Apply(ctx context.Context, req *http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == "" || !l.until.IsZero() && !time.Now().Before(l.until) {
		if err := l.fetch(ctx); err != nil {
			return err
		}
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	return nil
}

func (l *login) Renew(ctx context.Context, refused *http.Request) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if "Bearer "+l.token != refused.Header.Get("Authorization") {
		return true, nil // another request has renewed it
	}
	return true, l.fetch(ctx)
}

// fetch logs in; l.mu is held, so that one login serves all requests.
func (l *login) fetch(ctx context.Context) error {
	asked := time.Now()
	res, err := l.client.Do(ctx, &httpapi.Request{Method: "POST", URL: l.at, Body: l.body, Header: jsonHeader()})
	if err != nil {
		var status *httpapi.StatusError
		if errors.As(err, &status) && (status.Status == http.StatusUnauthorized || status.Status == http.StatusBadRequest || status.Status == http.StatusForbidden) {
			return fault.Wrap(fault.BadConfig, status, "the login is refused").WithHint("check username, password, client_id and consumer")
		}
		return err
	}
	defer res.Close()
	var answer struct {
		Token string      `json:"access_token"`
		Life  json.Number `json:"expires_in"`
	}
	if err := json.NewDecoder(res.Reader()).Decode(&answer); err != nil {
		return fault.New(fault.BadInput, "%s: the answer to the login is not the JSON that was expected", res.Place) // the cause may show the token
	}
	if answer.Token == "" {
		return fault.New(fault.BadInput, "%s: there is nothing at $.access_token", res.Place).WithHint("the shape of the answer changed, or url_base is another service")
	}
	l.secrets.Add(answer.Token)
	l.token, l.until = answer.Token, time.Time{}
	if seconds, err := answer.Life.Int64(); err == nil && seconds > 0 {
		life := time.Duration(seconds) * time.Second
		l.until = asked.Add(life - min(10*time.Second, life/10))
	}
	return nil
}

func jsonHeader() http.Header {
	return http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
}

// close closes idle connections.
func (a *api) close() {
	a.client.Close()
	a.login.client.Close()
}
