package replication

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence is how long a server may leave what it is sent unacknowledged. The
// kernel's own patience is a quarter of an hour, and keep-alives, which are
// quicker, wait for as long as our status reports are on their way.
const silence = time.Minute

// giveUpSilent makes reads fail when the network has swallowed the server.
func giveUpSilent(c net.Conn) {
	for wrapped, ok := c.(interface{ NetConn() net.Conn }); ok; wrapped, ok = c.(interface{ NetConn() net.Conn }) {
		c = wrapped.NetConn() // TLS
	}
	of, ok := c.(syscall.Conn)
	if !ok {
		return // through a tunnel, which looks after itself
	}
	if raw, err := of.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds())) // a Unix socket has none
		})
	}
}
