package pgdial

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// reuseRefused makes sslmode=prefer cost one connection instead of two: a
// server that answers an SSLRequest by N waits for a plain start-up on the
// same connection, but pgconn closes it and dials again. The connection that
// it closes then is what it is given.
//
// The function that it returns closes what was kept and not asked for again.
func reuseRefused(cfg *pgx.ConnConfig) (forget func()) {
	if cfg.TLSConfig == nil || len(cfg.Fallbacks) == 0 || cfg.Fallbacks[0].TLSConfig != nil {
		return func() {} // not prefer
	}
	r := &refusals{dial: cfg.DialFunc, kept: map[string]net.Conn{}}
	cfg.DialFunc = r.Dial
	return r.forget
}

// refusals keeps connections on which the server refused TLS, by address.
type refusals struct {
	dial pgconn.DialFunc

	mu   sync.Mutex
	kept map[string]net.Conn
}

// Dial returns the connection on which TLS was refused, or a new one.
func (r *refusals) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	c := r.kept[address]
	delete(r.kept, address)
	r.mu.Unlock()
	if c != nil {
		return c, c.SetDeadline(time.Time{})
	}
	c, err := r.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &asking{Conn: c, from: r, address: address}, nil
}

// asking is a connection on which TLS may be refused.
type asking struct {
	net.Conn
	from      *refusals
	address   string
	answered  bool
	isRefused bool
}

// Read looks at the answer to the SSLRequest, which pgconn reads by itself.
func (a *asking) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if !a.answered && n > 0 {
		a.answered, a.isRefused = true, len(b) == 1 && b[0] == 'N'
	}
	return n, err
}

// NetConn is the connection itself.
func (a *asking) NetConn() net.Conn { return a.Conn }

// Close keeps the connection if the server waits for a plain start-up on it.
func (a *asking) Close() error {
	if !a.isRefused {
		return a.Conn.Close()
	}
	a.isRefused = false
	a.from.mu.Lock()
	defer a.from.mu.Unlock()
	if old := a.from.kept[a.address]; old != nil {
		old.Close()
	}
	a.from.kept[a.address] = a.Conn
	return nil
}

// forget closes what nobody asked for again, as after a time-out.
func (r *refusals) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for address, c := range r.kept {
		c.Close()
		delete(r.kept, address)
	}
}
