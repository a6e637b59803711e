package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"elt/internal/fault"
)

// Consent is how a person logs in with a browser: the authorization code grant
// (RFC 6749, 4.1) with PKCE (RFC 7636), answered on a loopback port (RFC 8252).
type Consent struct {
	URL      string            // where the login page is
	Redirect string            // as registered with the server; "": a free port of 127.0.0.1
	Params   map[string]string // more parameters of the login page
	Out      io.Writer         // where the person reads the URL
}

// Authorize waits for the person, and keeps the login in o.Refresh.
func (o OAuth2) Authorize(ctx context.Context, c Consent) error {
	if err := o.Refresh.Writable(); err != nil {
		return err
	}
	at := &url.URL{Scheme: "http", Host: "127.0.0.1:0", Path: "/"}
	if c.Redirect != "" {
		var err error
		if at, err = url.Parse(c.Redirect); err != nil || at.Scheme != "http" || !loopback(at.Hostname()) || at.Port() == "" {
			return fault.New(fault.BadConfig, "auth.redirect_url is %q, which is no http address of this machine with a port", c.Redirect).WithHint("write it like http://127.0.0.1:8085/ and register the same with the API")
		}
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		return fmt.Errorf("wait for the browser: %w", err)
	}
	if c.Redirect == "" {
		at.Host = listener.Addr().String()
	}
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	o.Secrets.Add(verifier)
	conf := oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: at.String(), Scopes: o.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.URL, TokenURL: o.TokenURL, AuthStyle: o.Style}}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for name, value := range c.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if _, err := fmt.Fprintf(c.Out, "Open this address in a browser of this machine and log in:\n\n%s\n\nWaiting for the answer at %s …\n", conf.AuthCodeURL(state, options...), at); err != nil {
		return errors.Join(err, listener.Close())
	}
	code, err := awaited(ctx, listener, at.Path, state)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Silence, errSilent)
	defer cancel()
	exchange := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	for name, value := range o.Extra {
		exchange = append(exchange, oauth2.SetAuthURLParam(name, value))
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	token, err := conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), code, exchange...)
	if err != nil {
		return explain((&login{o: o}).failed(ctx, err))
	}
	o.Secrets.Add(token.AccessToken, token.RefreshToken)
	if token.RefreshToken == "" {
		return fault.New(fault.Failed, "the server gave no refresh token, so the login would not last").WithHint("many want it asked for: scope offline_access, or auth.auth_params {access_type: offline, prompt: consent}")
	}
	return o.Refresh.Keep(ctx, token)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// awaited is the code that the browser brings.
func awaited(ctx context.Context, listener net.Listener, path, state string) (string, error) {
	type answer struct {
		code string
		err  error
	}
	got := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != path && path != "" || q.Get("code") == "" && q.Get("error") == "" {
			http.NotFound(w, r)
			return
		}
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This answer belongs to another login.", http.StatusBadRequest)
			return
		}
		a := answer{code: q.Get("code")}
		if text := q.Get("error"); text != "" {
			a.err = fault.New(fault.Failed, "the login was refused: %s", excerpt([]byte(text+" "+q.Get("error_description")))).WithKind(fault.KindAuth)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "Thank you. You can close this window and go back to elt.")
		select {
		case got <- a:
		default:
		}
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(stop) // the browser reads its answer
		<-served
	}()
	select {
	case a := <-got:
		return a.code, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
