package pgdial_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/internal/pgtest"
)

// counted is a way to the server that counts connections.
func counted(t *testing.T, s pgdial.Settings) (pgdial.Settings, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	server := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			up, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go func() { io.Copy(up, client); up.Close() }()
			go func() { io.Copy(client, up); client.Close() }()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	s.Host, s.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	return s, &n
}

func TestPreferConnectsOnceWithoutTLS(t *testing.T) {
	s, connections := counted(t, server(t))
	for want := int32(1); want <= 2; want++ {
		c, err := s.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var one int
		if err := c.QueryRow(t.Context(), "select 1").Scan(&one); err != nil || one != 1 {
			t.Error(err)
		}
		if _, secret := c.PgConn().Conn().(*tls.Conn); secret {
			t.Error("this server has no TLS")
		}
		c.Close(context.Background())
		if got := connections.Load(); got != want {
			t.Fatalf("%d connections to the server, not %d", got, want)
		}
	}
}

// Where the server has TLS, prefer uses it; a wrong password is still told as
// such after the plain attempt.
func TestPreferUsesTLS(t *testing.T) {
	s := withTLS(t)
	s, connections := counted(t, s)
	c, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, secret := c.PgConn().Conn().(*tls.Conn); !secret || connections.Load() != 1 {
		t.Errorf("TLS: %v, %d connections", secret, connections.Load())
	}
	rows := 0
	err = pgdial.CopyOut(t.Context(), c, "copy (select generate_series(1, 1000)) to stdout", func([]byte) error { rows++; return nil })
	if err != nil || rows != 1000 {
		t.Errorf("%d rows, %v", rows, err)
	}
	checkAnotherAuthority(t, s, connections)
	s.Database = "no_such"
	if _, err := s.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such") {
		t.Error(err)
	}
}

// A certificate that another authority signed is a mistake in the settings:
// it is said at once, not tried again for connect_retry_seconds.
func checkAnotherAuthority(t *testing.T, s pgdial.Settings, connections *atomic.Int32) {
	t.Helper()
	cert, _ := certificate(t)
	s.SSLEnable, s.SSLMode, s.Authority, s.Retry = true, "verify-ca", string(pem.EncodeToMemory(cert)), 600
	before := connections.Load()
	_, err := s.Dial(t.Context())
	if err == nil || !strings.Contains(fault.Advice(err), "ssl_certificate_authority") || connections.Load() != before+1 {
		t.Errorf("%v (%s), %d connections", err, fault.Advice(err), connections.Load()-before)
	}
}

// certificate is one that signs itself, and its key.
func certificate(t *testing.T) (cert, key *pem.Block) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &pair.PublicKey, pair)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "CERTIFICATE", Bytes: signed}, &pem.Block{Type: "PRIVATE KEY", Bytes: private}
}

// withTLS is a server of its own with a certificate made for the test.
func withTLS(t *testing.T) pgdial.Settings {
	t.Helper()
	cert, private := certificate(t)
	own := pgtest.NewServer(t)
	c, err := pgx.Connect(t.Context(), own.URL())
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"server.crt": cert, "server.key": private} {
		var object uint32
		if err := c.QueryRow(t.Context(), "select lo_from_bytea(0, $1)", pem.EncodeToMemory(block)).Scan(&object); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "select lo_export($1, $2)", object, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"copy (select 1) to program 'chmod 600 server.key server.crt'", "alter system set ssl = on", "select pg_reload_conf()"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	c.Close(context.Background())
	u, err := url.Parse(own.URL())
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	password, _ := u.User.Password()
	s := pgdial.Settings{Host: u.Hostname(), Port: port, User: u.User.Username(), Password: password, Database: strings.TrimPrefix(u.Path, "/")}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) { // a reload is noticed soon
		required := s
		required.SSL = "true"
		if c, err := required.Dial(t.Context()); err == nil {
			c.Close(context.Background())
			return s
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
