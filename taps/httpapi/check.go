package httpapi

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"elt/internal/check"
)

// Check tries the way to the server at base (name server, network, TLS) and,
// where the login is a request of its own, the login. It says whether both
// passed.
func (c *Client) Check(ctx context.Context, base *url.URL, report *check.Report) bool {
	if !report.Do(ctx, "connect", func(ctx context.Context) (string, error) {
		detail, err := c.reach(ctx, base)
		return detail, explain(err)
	}) {
		return false
	}
	if _, sent := c.o.Auth.(fixed); c.o.Auth == nil || sent {
		return true
	}
	return report.Do(ctx, "login", func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String(), nil)
		if err != nil {
			return "", bare(err)
		}
		return "", explain(c.o.Auth.Apply(ctx, req))
	})
}

// reach connects to the server, or to the proxy that leads to it.
func (c *Client) reach(ctx context.Context, base *url.URL) (string, error) {
	transport := c.http.Transport.(*http.Transport)
	to := base
	if transport.Proxy != nil {
		proxy, err := transport.Proxy(&http.Request{URL: base})
		if err != nil {
			return "", err
		}
		if proxy != nil {
			to = proxy
		}
	}
	port := to.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[to.Scheme]
	}
	if port == "" {
		port = "80"
	}
	address := net.JoinHostPort(to.Hostname(), port)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	if to != base {
		return "by the proxy " + address, nil
	}
	if to.Scheme != "https" {
		return address + ", without TLS", nil
	}
	config := transport.TLSClientConfig.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = to.Hostname()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return "", fmt.Errorf("TLS with %s: %w", address, err)
	}
	state := secure.ConnectionState()
	return fmt.Sprintf("%s, %s, certificate until %s", address, tls.VersionName(state.Version),
		state.PeerCertificates[0].NotAfter.Format(time.DateOnly)), nil
}
