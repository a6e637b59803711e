package pgdial_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"elt/internal/pgdial"
)

// A server that is too old says its version at login, and is refused by it.
func TestServerIsTooOld(t *testing.T) {
	for version, refused := range map[string]bool{"8.0.2": true, "9.6.24": true, "11.22 (Debian 11.22-0+deb10u1)": true, "12.0": false, "17beta1": false, "15.18 (Debian 15.18-0+deb12u1)": false, "unknown": false} {
		c, err := pgdial.Settings{Host: "127.0.0.1", Port: greeter(t, version), User: "u", Database: "d"}.Dial(context.Background())
		if c != nil {
			c.Close(context.Background())
		}
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "is PostgreSQL "+version+", or says so; version 12 or newer is needed") {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// greeter is a server that lets everybody in and has no more to say than its version.
func greeter(t *testing.T, version string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			greet(pgproto3.NewBackend(conn, conn), version)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().(*net.TCPAddr).Port
}

func greet(b *pgproto3.Backend, version string) {
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		if _, err := b.Receive(); err != nil {
			return
		}
		b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}
