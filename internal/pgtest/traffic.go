package pgtest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Traffic counts what clients ask of a server. What is counted depends on the
// clients alone, not on time or load.
type Traffic struct {
	mu          sync.Mutex
	connections int
	trips       int
}

// Connections are those that were opened.
func (t *Traffic) Connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.connections
}

// Trips is how often a client asked and waited for the server to be ready for
// more: the round trips after the log-in, but for the answer to COPY.
func (t *Traffic) Trips() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trips
}

// Count is an address that leads to the server at the address given, and what
// passes there from now on. The connections of the test must be closed by its end.
func Count(t testing.TB, server string) (*Traffic, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	c := &Traffic{}
	behind := u.Host
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.pass(client, behind) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	u.Host = l.Addr().String()
	return c, u.String()
}

// pass carries one connection. Requests for TLS are answered as by a server
// that has none, and those to cancel are not counted.
func (t *Traffic) pass(client net.Conn, server string) {
	defer client.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	var back sync.WaitGroup
	defer back.Wait()
	defer s.Close()
	in := bufio.NewReader(client)
	back.Go(func() { io.Copy(client, s); client.Close() })
	for started := false; ; {
		head := make([]byte, 4, 5)
		if started {
			head = head[:5]
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint32(head[len(head)-4:]))-4))
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		t.mu.Lock()
		switch {
		case started && (head[0] == 'Q' || head[0] == 'S'):
			t.trips++
		case !started && len(body) >= 4 && binary.BigEndian.Uint16(body) == 3: // the major version
			started = true
			t.connections++
		}
		t.mu.Unlock()
		if _, err := s.Write(append(head, body...)); err != nil {
			return
		}
	}
}
