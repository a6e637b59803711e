package postgres

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// usualSilence is how long an answer of the server may take. What is asked of
// a store takes milliseconds.
const usualSilence = 20 * time.Second

// silence is how long the servers of connections may say nothing when an
// answer is awaited; 0: for ever. A connection that is silent for longer
// breaks: its machine may have vanished, or been replaced by another.
type silence struct{ limit atomic.Int64 }

func (s *silence) set(limit time.Duration) { s.limit.Store(int64(limit)) }

func (s *silence) dial(ctx context.Context, network, address string) (net.Conn, error) {
	const alive = 15 * time.Second
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: alive, Interval: alive, Count: 3}}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &impatient{Conn: c, silence: s}, nil
}

// impatient is such a connection. pgx reads only when it awaits an answer,
// and sets a deadline when a context ends: the earlier one counts.
type impatient struct {
	net.Conn
	silence *silence

	mu   sync.Mutex
	asks time.Time // the deadline that was asked for; zero: none
}

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.arm(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *impatient) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.asks
	if limit := c.silence.limit.Load(); limit > 0 {
		if own := time.Now().Add(time.Duration(limit)); end.IsZero() || own.Before(end) {
			end = own
		}
	}
	return c.Conn.SetReadDeadline(end)
}

// SetDeadline implements net.Conn.
func (c *impatient) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asks = t
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *impatient) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asks = t
	return c.Conn.SetReadDeadline(t)
}
