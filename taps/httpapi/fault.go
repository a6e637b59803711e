package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"elt/internal/fault"
)

// StatusError is an answer that is no success.
type StatusError struct {
	Place  string // "GET https://api.example.com/v1/orders", without its query
	Status int
	Body   string        // how the answer begins, secrets hidden
	Wait   time.Duration // what Retry-After asks for, -1: nothing
	Header http.Header
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.Place, e.Status, http.StatusText(e.Status))
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// FaultKind implements fault.KindOf.
func (e *StatusError) FaultKind() fault.Kind { return fault.KindOfStatus(e.Status) }

// errSilent ends a request whose server says nothing for too long.
var errSilent = fault.New(fault.Failed, "the server was silent for longer than request_timeout").WithKind(fault.KindTimeout)

// TimedOut says whether err is a server's that took too long.
func TimedOut(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status == http.StatusRequestTimeout || status.Status == http.StatusGatewayTimeout
	}
	var n net.Error
	return errors.Is(err, errSilent) || errors.As(err, &n) && n.Timeout()
}

// transient says whether the same request may succeed in a moment.
func transient(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		switch status.Status {
		case http.StatusTooManyRequests, http.StatusRequestTimeout:
			return true
		}
		return status.Status >= 500 && status.Status != http.StatusNotImplemented
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.IsTemporary || dns.IsTimeout
	}
	return TimedOut(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE)
}

// explain makes an error of the network one that says what failed: name, TLS,
// connection, login, permission, path.
func explain(err error) error {
	var dns *net.DNSError
	var status *StatusError
	var explained *fault.Error
	switch {
	case errors.As(err, &explained): // a login has its own words
	case errors.As(err, &dns):
		return fault.Wrap(fault.Failed, err, "the host %q has no address", dns.Name).WithHint("check the URL and the name server")
	case fault.KindOf(err) == fault.KindTLS:
		return fault.Wrap(fault.Failed, err, "no trusted TLS connection comes about").WithHint("%s", fault.Advice(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Wrap(fault.Failed, err, "nobody listens there").WithHint("check host and port of the URL")
	case errors.As(err, &status):
		switch status.Status {
		case http.StatusUnauthorized:
			return fault.Wrap(fault.BadConfig, err, "the login is refused").WithHint("check the credentials")
		case http.StatusForbidden:
			return fault.Wrap(fault.Failed, err, "the login lacks a permission").WithHint("grant it at the source, or deselect the stream")
		case http.StatusNotFound:
			return fault.Wrap(fault.Failed, err, "there is nothing at this path").WithHint("check url_base and the stream's path")
		}
	}
	return err
}

// bare takes the URL, which may hold secrets, out of an error of net/http.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// place is a request without its query.
func place(method string, u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return method + " " + shown.String()
}

func excerpt(body []byte) string {
	const most = 300
	text := strings.Join(strings.Fields(string(body)), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

// cause is why ctx ended, where it did, else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
