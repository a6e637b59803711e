package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	loopback "elt/internal/fake/port"
)

type state string

func (s state) Error() string    { return "SQLSTATE " + string(s) }
func (s state) SQLState() string { return string(s) }

type status int

func (s status) Error() string   { return http.StatusText(int(s)) }
func (s status) FaultKind() Kind { return KindOfStatus(int(s)) }

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{nil, ""},
		{errors.New("x"), KindOther},
		{New(BadConfig, "x"), KindSettings},
		{New(BadInput, "x"), KindShape},
		{Wrap(BadInput, io.ErrUnexpectedEOF, "x"), KindShape},
		{Wrap(BadConfig, status(401), "refused"), KindAuth},
		{Wrap(BadConfig, status(403), "refused").WithKind(KindTLS), KindTLS},
		{fmt.Errorf("a: %w", errors.Join(errors.New("b"), state("42501"))), KindPermission},
		{state("28P01"), KindAuth},
		{state("3D000"), KindPath},
		{state("53300"), KindLimit},
		{state("08006"), KindConnect},
		{state("57014"), KindTimeout},
		{state("22012"), KindOther},
		{status(404), KindPath},
		{status(429), KindLimit},
		{status(503), KindServer},
		{status(504), KindTimeout},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsTimeout: true}}, KindDNS},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, KindConnect},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, KindTLS},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), KindTimeout},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), KindConnect},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, KindPermission},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, KindPermission},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.ENOSPC}, KindLimit},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if _, err := os.Open(filepath.Join(t.TempDir(), "nosuch")); KindOf(err) != KindPath {
		t.Errorf("%v: %q", err, KindOf(err))
	}
}

// The errors are those of real connections: their types change with Go.
func TestKindOfConnections(t *testing.T) {
	get := func(url string, config *tls.Config, within time.Duration) error {
		client := &http.Client{Timeout: within, Transport: &http.Transport{TLSClientConfig: config}}
		res, err := client.Get(url)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	quiet := func(s *httptest.Server) *httptest.Server {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(s.Close)
		return s
	}
	secure := quiet(httptest.NewTLSServer(http.NotFoundHandler()))
	plain := quiet(httptest.NewServer(http.NotFoundHandler()))
	port := func(s *httptest.Server) string { _, p, _ := net.SplitHostPort(s.Listener.Addr().String()); return p }
	trust := x509.NewCertPool()
	trust.AddCert(secure.Certificate())
	later := func() time.Time { return secure.Certificate().NotAfter.AddDate(1, 0, 0) }

	free, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	closed := fmt.Sprint("http://127.0.0.1:", free)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()

	for _, c := range []struct {
		name, url string
		config    *tls.Config
		want      Kind
		advice    string
	}{
		{"unknown authority", secure.URL, nil, KindTLS, "add its certificate"},
		{"wrong name", "https://localhost:" + port(secure), &tls.Config{RootCAs: trust, ServerName: "other.test"}, KindTLS, "example.com"},
		{"expired", secure.URL, &tls.Config{RootCAs: trust, Time: later}, KindTLS, "renewed"},
		{"no TLS there", "https://127.0.0.1:" + port(plain), nil, KindTLS, "no TLS"},
		{"refused", closed, nil, KindConnect, "host and port"},
		{"silent", "http://" + mute.Addr().String(), nil, KindTimeout, "firewall"},
	} {
		within := time.Minute
		if c.want == KindTimeout {
			within = 300 * time.Millisecond
		}
		err := get(c.url, c.config, within)
		if KindOf(err) != c.want || !strings.Contains(Advice(err), c.advice) {
			t.Errorf("%s: %q, advice %q for %v", c.name, KindOf(err), Advice(err), err)
		}
	}
}

// A name server that knows no name, on loopback.
func TestKindOfNameServer(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			buffer[2], buffer[3] = 0x81, 0x83 // an answer: there is no such name
			server.WriteTo(buffer[:n], from)
		}
	}()
	defer func() { server.Close(); <-done }()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	_, err = (&net.Dialer{Resolver: resolver}).Dial("tcp", "api.nosuch.test:443")
	if KindOf(err) != KindDNS || !strings.Contains(Advice(err), "name server") {
		t.Errorf("%q for %v", KindOf(err), err)
	}
}
