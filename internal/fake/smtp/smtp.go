// Package smtp is a mail server on loopback for tests: RFC 5321 as far as a
// client that sends needs it, STARTTLS of RFC 3207, AUTH PLAIN and LOGIN.
// What it takes stays in memory; nothing is delivered.
package smtp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// Options are what the server is like.
type Options struct {
	Auth     string // methods that it offers, over TLS only: "PLAIN LOGIN"
	User     string
	Password string
	Plain    bool // no STARTTLS
	Implicit bool // TLS from the first byte
}

// Server is a running one.
type Server struct {
	Addr  string
	Roots *x509.CertPool // that trusts it
	PEM   []byte         // its certificate

	options  Options
	config   *tls.Config
	listener net.Listener
	done     chan struct{}

	mu       sync.Mutex
	mails    []string
	commands []string
}

// Start starts one on a free port of 127.0.0.1.
func Start(o Options) (*Server, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, Roots: x509.NewCertPool(), PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), done: make(chan struct{}),
		config: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}}
	s.Roots.AddCert(cert)
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.Addr = s.listener.Addr().String()
	go func() {
		defer close(s.done)
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	return s, nil
}

// Close ends it.
func (s *Server) Close() {
	s.listener.Close()
	<-s.done
}

// Mails are the messages it took, with their headers.
func (s *Server) Mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

// Commands are what clients said.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// serve speaks with one client, one at a time.
func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	secure := s.options.Implicit
	if secure {
		conn = tls.Server(conn, s.config)
	}
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 fake")
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			return
		}
		text = strings.TrimRight(text, "\r\n")
		s.mu.Lock()
		s.commands = append(s.commands, text)
		s.mu.Unlock()
		switch verb, _, _ := strings.Cut(text, " "); strings.ToUpper(verb) {
		case "EHLO":
			if !secure && !s.options.Plain {
				say("250-fake\r\n250 STARTTLS")
			} else if s.options.Auth != "" {
				say("250-fake\r\n250 AUTH %s", s.options.Auth)
			} else {
				say("250 fake")
			}
		case "STARTTLS":
			say("220 go ahead")
			conn, secure = tls.Server(conn, s.config), true
			r = bufio.NewReader(conn)
		case "AUTH":
			if text == "AUTH LOGIN" {
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Username:")))
				user, _ := r.ReadString('\n')
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:")))
				password, _ := r.ReadString('\n')
				u, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(user))
				p, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(password))
				text = "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+string(u)+"\x00"+string(p)))
			}
			if text == "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+s.options.User+"\x00"+s.options.Password)) {
				say("235 ok")
			} else {
				say("535 no")
			}
		case "DATA":
			say("354 go ahead")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			s.mu.Lock()
			s.mails = append(s.mails, b.String())
			s.mu.Unlock()
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
