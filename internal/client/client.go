// Package client is the API of elt daemon from the outside, for commands with
// --server. It speaks in package api's types, and turns the API's problems into
// errors that a user understands.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"elt/internal/api"
	"elt/internal/fault"
)

// Client is one server with one token.
type Client struct {
	base  string // without a slash at its end
	token string
	http  *http.Client
}

// New is a client of the daemon at an address such as https://elt.example.
func New(server, token string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Usage, "--server %q is no address", server).WithHint("as http://127.0.0.1:8080")
	}
	if u.User != nil {
		return nil, fault.New(fault.Usage, "--server holds a login").WithHint("the token goes into the variable ELT_TOKEN")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return &Client{base: strings.TrimRight(server, "/") + api.Base, token: token, http: &http.Client{Transport: transport}}, nil
}

// Server is the address of the server.
func (c *Client) Server() string { return strings.TrimSuffix(c.base, api.Base) }

// request asks and gives the answer of a success; its body is the caller's to close.
func (c *Client) request(ctx context.Context, method, path string, in any, headers map[string]string) (*http.Response, error) {
	var text io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, text)
	if err != nil {
		return nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	res, err := c.http.Do(r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &away{fault.Wrap(fault.Failed, err, "the daemon at %s cannot be reached", c.Server()).WithHint("is it up, and is --server right?")}
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, c.refusal(res)
	}
	return res, nil
}

// away is that nobody answered; a stream that was cut tries again.
type away struct{ cause error }

func (a *away) Error() string { return a.cause.Error() }
func (a *away) Unwrap() error { return a.cause }

// refusal explains an answer that is no success.
func (c *Client) refusal(res *http.Response) error {
	var p api.Problem
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Status == 0 {
		return fault.New(fault.Failed, "%s answers %s", c.Server(), res.Status).WithHint("is that the address of an elt daemon?")
	}
	for _, w := range p.Errors {
		p.Detail += fmt.Sprintf("; %s: %s", w.Where, w.Message)
	}
	e := fault.New(fault.Failed, "%s", p.Detail).WithHint("%s", p.Hint)
	switch {
	case p.Status == http.StatusUnauthorized:
		e.Hint = "set ELT_TOKEN to a token: elt token create NAME --scope read|run|admin, where the daemon's store is"
	case p.Status >= 500:
		e.Hint += fmt.Sprintf(" (trace id %s)", p.TraceID)
	}
	return &refused{p.Status, e}
}

// refused is an answer that is no success.
type refused struct {
	status int
	cause  error
}

func (r *refused) Error() string { return r.cause.Error() }
func (r *refused) Unwrap() error { return r.cause }

// NotFound says that the server does not have what was asked for.
func NotFound(err error) bool {
	var r *refused
	return errors.As(err, &r) && r.status == http.StatusNotFound
}

// call asks and reads the answer.
func call[T any](ctx context.Context, c *Client, method, path string, in any, headers ...string) (out T, header http.Header, err error) {
	all := map[string]string{}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			all[headers[i]] = headers[i+1]
		}
	}
	res, err := c.request(ctx, method, path, in, all)
	if err != nil {
		return out, nil, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, nil, fault.Wrap(fault.Failed, err, "the answer of %s cannot be read", c.Server())
	}
	return out, res.Header, nil
}

// isAway says that an error is nobody's answer.
func isAway(err error) bool {
	var a *away
	return errors.As(err, &a)
}
