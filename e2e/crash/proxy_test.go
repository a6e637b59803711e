package crash

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire stands between elt and a server. Once so many bytes have passed, it
// does something to the connection.
type wire struct {
	net.Listener
	server string
	left   atomic.Int64 // bytes until strike
	strike func()       // once, on a goroutine of its own
	struck chan struct{}

	flow sync.RWMutex // held for writing while nothing passes
	mu   sync.Mutex
	open map[net.Conn]bool
	work sync.WaitGroup
}

// newWire begins at once; its address takes the place of the server's in URL.
func newWire(t *testing.T, server string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{server: u.Host, struck: make(chan struct{}), open: map[net.Conn]bool{}}
	w.left.Store(1 << 62)
	if w.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.work.Go(func() {
		for {
			client, err := w.Accept()
			if err != nil {
				return
			}
			w.work.Go(func() { w.serve(client) })
		}
	})
	t.Cleanup(func() { w.Close(); w.cut(); w.work.Wait() })
	u.Host = w.Addr().String()
	return w, u.String()
}

// after arms the wire.
func (w *wire) after(bytes int64, strike func()) {
	w.strike = strike
	w.left.Store(bytes)
}

func (w *wire) serve(client net.Conn) {
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		client.Close()
		return
	}
	w.mu.Lock()
	w.open[client], w.open[server] = true, true
	w.mu.Unlock()
	both := func() { client.Close(); server.Close() }
	w.work.Go(func() { defer both(); w.pass(client, server) })
	w.pass(server, client)
	both()
	w.mu.Lock()
	delete(w.open, client)
	delete(w.open, server)
	w.mu.Unlock()
}

func (w *wire) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 8<<10)
	for {
		n, err := from.Read(buf)
		if before := w.left.Load(); n > 0 && before > 0 && w.left.Add(-int64(n)) <= 0 && before < 1<<61 {
			w.work.Go(func() { defer close(w.struck); w.strike() })
			<-w.struck
		}
		w.flow.RLock()
		if n > 0 {
			if _, failed := to.Write(buf[:n]); failed != nil {
				err = failed
			}
		}
		w.flow.RUnlock()
		if err != nil {
			return
		}
	}
}

// cut breaks every connection.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// silence lets nothing through for a while.
func (w *wire) silence(d time.Duration) {
	w.flow.Lock()
	defer w.flow.Unlock()
	time.Sleep(d)
}
