package pgdial

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgreSQL sends 8 KiB at a time. A reader that keeps up is woken for each
// of them, which costs it more than the reading itself.
const (
	bulkMark  = 64 << 10             // bytes that must wait before the reader is woken
	bulkFlow  = 256 << 10            // bytes per tick from which on that pays
	bulkTick  = 5 * time.Millisecond // after which silence means that less is coming
	keepAlive = 15 * time.Second
)

// meter is a connection that counts what was read from it.
type meter struct {
	*net.TCPConn
	read atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.TCPConn.Read(p)
	m.read.Add(int64(n))
	return n, err
}

// dialTCP is pgx's dialer, with a peer that vanished noticed within a minute.
func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}}
	c, err := d.DialContext(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &meter{TCPConn: tcp}, nil
	}
	return c, err
}

// bulk makes reading a lot from c cheap until the returned function is called:
// while data flows fast the kernel wakes the reader for large pieces only.
func bulk(c *pgx.Conn) (done func()) {
	conn := c.PgConn().Conn()
	for wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok; wrapped, ok = conn.(interface{ NetConn() net.Conn }) {
		conn = wrapped.NetConn() // TLS
	}
	m, ok := conn.(*meter)
	if !ok {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		m.govern(stop)
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (m *meter) govern(stop <-chan struct{}) {
	tick := time.NewTicker(bulkTick)
	defer tick.Stop()
	high, last := false, m.read.Load()
	for {
		select {
		case <-stop:
			if high {
				m.lowWater(1)
			}
			return
		case <-tick.C:
		}
		now := m.read.Load()
		switch moved := now - last; {
		case !high && moved >= bulkFlow:
			high = m.lowWater(bulkMark)
		case high && moved == 0: // the end, or the other side is slow: take what there is
			high = !m.lowWater(1)
		}
		last = now
	}
}
