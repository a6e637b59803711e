package sshtunnel

import (
	"os"
	"time"
)

// SetDeadline implements net.Conn: once it has passed, reads and writes fail
// with os.ErrDeadlineExceeded and the connection is of no more use.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if !t.IsZero() {
		c.timer = time.AfterFunc(time.Until(t), c.expire)
	}
	return nil
}

// SetReadDeadline implements net.Conn as SetDeadline.
func (c *conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline implements net.Conn as SetDeadline.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

func (c *conn) expire() {
	c.mu.Lock()
	c.late = true
	c.mu.Unlock()
	c.client.Close()
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.orLate(err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.orLate(err)
}

func (c *conn) orLate(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late {
		return os.ErrDeadlineExceeded
	}
	return err
}
