package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// Options say how a Client behaves.
type Options struct {
	Auth      Auth          // nil: no login
	Silence   time.Duration // how long a server may say nothing
	Retries   int           // after the first attempt
	Pause     time.Duration // before the first retry; doubles, with jitter
	Longest   time.Duration // the longest pause, and the longest Retry-After that is waited for
	PerSecond float64       // own limit of requests, 0: none
	PerMinute float64       // another
	Together  int           // requests on their way at the same time, 0: any number
	Hosts     []string      // hosts beside url_base's that may be sent credentials
	After     string        // the header that says how long to wait; "" is Retry-After
	Extra     time.Duration // added to what that header says
	UserAgent string
	Secrets   *Secrets
	// Again says that an answer is worth a new login and a retry although its
	// status is not; nil: never.
	Again func(*StatusError) bool
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	o      Options
	http   *http.Client
	policy retrypolicy.RetryPolicy[*Response]
	pace   *pace
}

// Request is sent as often as needed.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Once says of an error that the caller wants no retry, having a better
	// idea; nil: never.
	Once func(error) bool
}

// Response is an answer of status 2xx, read whole. Close it.
type Response struct {
	Place  string
	URL    *url.URL
	Header http.Header
	body   body
}

// Reader reads the body from its start; not two at the same time.
func (r *Response) Reader() io.Reader { return r.body.reader() }

// Bytes is the whole body.
func (r *Response) Bytes() ([]byte, error) { return r.body.bytes() }

// Close forgets the body.
func (r *Response) Close() { r.body.close() }

// NewClient makes a Client; Close frees its connections.
func NewClient(o Options) *Client {
	c := &Client{o: o}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	c.http = &http.Client{Transport: transport, CheckRedirect: c.redirect}
	c.policy = retrypolicy.NewBuilder[*Response]().
		WithMaxRetries(o.Retries).WithBackoff(o.Pause, max(o.Longest, o.Pause+1)).WithJitterFactor(.25).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[*Response]) time.Duration {
			var status *StatusError
			if errors.As(e.LastError(), &status) && status.Wait >= 0 {
				return max(status.Wait, time.Millisecond) + o.Extra
			}
			return -1 // the backoff
		}).
		HandleIf(func(_ *Response, err error) bool { return err != nil && c.retries(err) }).
		ReturnLastFailure().Build()
	c.pace = newPace(o.PerSecond, o.PerMinute, o.Together, o.Longest)
	return c
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) retries(err error) bool {
	var given *givenUp
	if errors.As(err, &given) {
		return false
	}
	var status *StatusError
	if errors.As(err, &status) {
		return status.Wait <= c.o.Longest && (transient(err) || c.o.Again != nil && c.o.Again(status))
	}
	return transient(err)
}

// givenUp is an error after which the caller wants no retry.
type givenUp struct{ error }

func (g *givenUp) Unwrap() error { return g.error }

// Do sends a request and retries as the options say. Its error names the
// place and shows neither query nor secrets.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	attempts := 0
	got, err := failsafe.With(c.policy).WithContext(ctx).Get(func() (*Response, error) {
		attempts++
		got, err := c.attempt(ctx, r)
		if err != nil && c.retries(err) {
			if r.Once != nil && r.Once(err) {
				return nil, &givenUp{err}
			}
			if attempts <= c.o.Retries && ctx.Err() == nil {
				zerolog.Ctx(ctx).Info().Msg(c.o.Secrets.Hide("is tried again: " + err.Error()))
			}
		}
		return got, err
	})
	if err == nil {
		return got, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err = explain(err)
	if attempts > 1 {
		err = fmt.Errorf("after %d attempts: %w", attempts, err)
	}
	return nil, err
}

// attempt sends a request, and once more after a new login when the old one had
// run out.
func (c *Client) attempt(ctx context.Context, r *Request) (*Response, error) {
	got, sent, err := c.send(ctx, r)
	var status *StatusError
	if c.o.Auth == nil || sent == nil || !errors.As(err, &status) ||
		status.Status != http.StatusUnauthorized && (c.o.Again == nil || !c.o.Again(status)) {
		return got, err
	}
	again, renewErr := c.o.Auth.Renew(ctx, sent)
	if renewErr != nil {
		return nil, renewErr
	}
	if again {
		got, _, err = c.send(ctx, r)
	}
	return got, err
}

func (c *Client) send(ctx context.Context, r *Request) (_ *Response, sent *http.Request, err error) {
	done, err := c.pace.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, nil, bare(err)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.o.UserAgent)
	}
	where := c.o.Secrets.Hide(place(r.Method, r.URL))
	if c.o.Auth != nil {
		if err := c.o.Auth.Apply(ctx, req); err != nil {
			return nil, nil, err
		}
	}
	alarm := time.AfterFunc(c.o.Silence, func() { cancel(errSilent) })
	defer alarm.Stop()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, req, fmt.Errorf("%s: %w", where, cause(ctx, bare(err)))
	}
	defer res.Body.Close()
	wait := c.wait(res.Header)
	c.pace.told(time.Now(), res.StatusCode, res.Header, wait)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		head, _ := io.ReadAll(io.LimitReader(watched{res.Body, alarm, c.o.Silence}, 4<<10))
		return nil, req, &StatusError{Place: where, Status: res.StatusCode, Body: c.o.Secrets.Hide(excerpt(head)), Wait: wait, Header: res.Header}
	}
	b, err := readBody(res.Body, res.ContentLength, alarm, c.o.Silence)
	if err != nil {
		return nil, req, fmt.Errorf("%s: the answer breaks off: %w", where, cause(ctx, err))
	}
	return &Response{Place: where, URL: res.Request.URL, Header: res.Header, body: b}, req, nil
}

// wait is what a server asks for: seconds or a date; -1 when it says nothing.
func (c *Client) wait(h http.Header) time.Duration {
	name := c.o.After
	if name == "" {
		name = "Retry-After"
	}
	value := h.Get(name)
	if s, err := strconv.ParseFloat(value, 64); err == nil && s >= 0 && s < 1e9 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return -1
}

// Allowed refuses to send credentials to a host that the user did not name.
func (c *Client) Allowed(from, to *url.URL) error {
	if from.Host == to.Host && (from.Scheme == to.Scheme || to.Scheme == "https") || slices.Contains(c.o.Hosts, to.Host) {
		return nil
	}
	return fault.New(fault.BadInput, "%s leads to another host, %s://%s", place("the answer of", from), to.Scheme, to.Host).
		WithHint("if it is to be trusted with the login, add %q to allow_hosts", to.Host)
}

func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > 10 {
		return errors.New("it redirects for ever")
	}
	return c.Allowed(via[len(via)-1].URL, req.URL)
}
