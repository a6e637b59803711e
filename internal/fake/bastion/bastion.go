// Package bastion is an SSH server on loopback that lets one user forward
// connections, as a bastion host does. Test code only.
package bastion

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Server is a running bastion host.
type Server struct {
	Host string
	Port int
	User string
	// Key logs User in, in PEM; Locked is the same under the password "open sesame".
	Key, Locked string
	HostKey     ssh.PublicKey
	// Forbid makes it refuse to forward; Mute makes it answer no signs of life.
	Forbid, Mute bool

	listener net.Listener
	config   *ssh.ServerConfig
	work     sync.WaitGroup
	mu       sync.Mutex
	open     map[io.Closer]bool
	forwards []string
}

// Start starts a server; Close ends it.
func Start() (*Server, error) {
	host, err := signer()
	if err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open sesame"))
	if err != nil {
		return nil, err
	}
	user, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	s := &Server{User: "tunnel", Key: string(pem.EncodeToMemory(plain)), Locked: string(pem.EncodeToMemory(locked)), HostKey: host.PublicKey(), open: map[io.Closer]bool{}}
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != s.User || string(key.Marshal()) != string(user.Marshal()) {
			return nil, errors.New("not you")
		}
		return nil, nil
	}}
	s.config.AddHostKey(host)
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	at := s.listener.Addr().(*net.TCPAddr)
	s.Host, s.Port = at.IP.String(), at.Port
	s.work.Go(s.accept)
	return s, nil
}

func signer() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

// Forwards are the addresses that were connected to.
func (s *Server) Forwards() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.forwards...)
}

// Cut breaks every connection.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close()
	}
}

// Close ends the server and waits until all is closed.
func (s *Server) Close() {
	s.listener.Close()
	s.Cut()
	s.work.Wait()
}

func (s *Server) accept() {
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.keep(raw, true)
		s.work.Go(func() {
			defer s.keep(raw, false)
			s.serve(raw)
		})
	}
}

func (s *Server) keep(c io.Closer, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open[c] = true
		return
	}
	delete(s.open, c)
	c.Close()
}

func (s *Server) serve(raw net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(raw, s.config)
	if err != nil {
		return
	}
	s.work.Go(func() {
		for r := range requests {
			if !s.Mute {
				r.Reply(false, nil)
			}
		}
	})
	for c := range channels {
		s.work.Go(func() { s.forward(c) })
	}
}

func (s *Server) forward(c ssh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if err := ssh.Unmarshal(c.ExtraData(), &to); c.ChannelType() != "direct-tcpip" || err != nil || s.Forbid {
		c.Reject(ssh.Prohibited, "forwarding is off")
		return
	}
	address := net.JoinHostPort(to.Host, fmt.Sprint(to.Port))
	server, err := net.Dial("tcp", address)
	if err != nil {
		c.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	s.mu.Lock()
	s.forwards = append(s.forwards, address)
	s.mu.Unlock()
	client, requests, err := c.Accept()
	if err != nil {
		server.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	s.work.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	io.Copy(client, server)
	client.Close()
	server.Close()
}
