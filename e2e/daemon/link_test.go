package daemon

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// link is the network between daemons and their database; it can be cut, and
// it can swallow what is sent, which looks like silence to both ends.
type link struct {
	net.Listener
	server string

	mu    sync.Mutex
	cond  *sync.Cond
	down  bool // nobody gets through, connections are closed
	quiet bool // connections stay, and nothing arrives
	open  map[net.Conn]bool
}

// newLink gives the link and the address of the database through it.
func newLink(t *testing.T, uri string) (*link, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	k := &link{Listener: l, server: u.Host, open: map[net.Conn]bool{}}
	k.cond = sync.NewCond(&k.mu)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { k.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		k.set(true, false)
		wg.Wait()
	})
	u.Host = l.Addr().String()
	return k, u.String()
}

func (k *link) set(down, quiet bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down, k.quiet = down, quiet
	if down {
		for c := range k.open {
			c.Close()
		}
	}
	k.cond.Broadcast()
}

// keep notes a connection; false when the link is down.
func (k *link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return false
	}
	k.open[c] = true
	return true
}

func (k *link) serve(client net.Conn) {
	defer client.Close()
	if !k.keep(client) {
		return
	}
	server, err := net.Dial("tcp", k.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !k.keep(server) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { k.copy(client, server) })
	k.copy(server, client)
	wg.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, client)
	delete(k.open, server)
}

func (k *link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<14)
	for {
		n, err := from.Read(buf)
		k.mu.Lock()
		for k.quiet && !k.down {
			k.cond.Wait()
		}
		down := k.down
		k.mu.Unlock()
		if n > 0 && !down {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF || err != nil || down {
			return
		}
	}
}
