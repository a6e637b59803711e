package sshtunnel

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"elt/internal/fault"
)

const (
	handshake = 15 * time.Second // for the whole of it
	keepAlive = 15 * time.Second // a firewall forgets connections that are silent for longer
	patience  = 3 * keepAlive    // for the answer to a sign of life
)

// Dial connects to the bastion host, and from there to address; names are
// resolved there. Closing the connection closes both. Errors tell which of
// the two did not answer.
func (s Settings) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	client, err := s.login(ctx)
	if err != nil {
		return nil, err
	}
	channel, err := client.DialContext(ctx, network, address)
	if err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, s.beyond(address, err)
	}
	c := &conn{Conn: channel, to: place{network, address}, client: client, closing: make(chan struct{})}
	c.alive.Go(c.keep)
	return c, nil
}

// login opens the SSH connection.
func (s Settings) login(ctx context.Context) (*ssh.Client, error) {
	for _, must := range [][2]string{{"host", s.Host}, {"username", s.User}, {"private_key", s.Key}} {
		if must[1] == "" {
			return nil, fault.New(fault.BadConfig, "setting \"ssh_tunnel.%s\" is missing", must[0]).WithHint("ssh_tunnel.enable needs host, username and private_key")
		}
	}
	signer, err := s.signer()
	if err != nil {
		return nil, err
	}
	port := s.Port
	if port == 0 {
		port = 22
	}
	bastion := net.JoinHostPort(s.Host, strconv.Itoa(port))
	check, wanted, err := s.hostKey(bastion)
	if err != nil {
		return nil, err
	}
	var stranger error // handshake errors lose what they wrap
	cfg := &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: wanted,
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			stranger = check(host, remote, key)
			return stranger
		}}
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}}
	raw, err := d.DialContext(ctx, "tcp", bastion)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "the bastion host %s does not answer", bastion).WithHint("check ssh_tunnel.host and ssh_tunnel.port")
	}
	done := context.AfterFunc(ctx, func() { raw.Close() })
	c, channels, requests, err := ssh.NewClientConn(raw, bastion, cfg)
	if !done() && err == nil {
		c.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, s.refused(ctx, bastion, err, stranger)
	}
	return ssh.NewClient(c, channels, requests), nil
}

func (s Settings) refused(ctx context.Context, bastion string, err, stranger error) error {
	switch {
	case stranger != nil:
		return stranger
	case ctx.Err() != nil:
		return fault.Wrap(fault.Failed, context.Cause(ctx), "the bastion host %s does not finish its login", bastion)
	case strings.Contains(err.Error(), "unable to authenticate"): // no error value for it
		return fault.New(fault.Failed, "the bastion host %s refuses the key of user %q", bastion, s.User).WithKind(fault.KindAuth).
			WithHint("is its public half in that user's authorized_keys there?")
	}
	return fault.Wrap(fault.Failed, err, "the bastion host %s cannot be logged in to", bastion)
}

// beyond explains why the bastion could not reach address.
func (s Settings) beyond(address string, err error) error {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
		return fault.Wrap(fault.Failed, err, "the bastion host %s does not let %q connect to %s", s.Host, s.User, address).WithKind(fault.KindPermission).
			WithHint("its sshd needs AllowTcpForwarding yes, and permitopen in authorized_keys must name %s", address)
	}
	return fault.Wrap(fault.Failed, err, "the bastion host %s cannot reach %s", s.Host, address).WithKind(fault.KindConnect)
}

// conn is a connection through a tunnel. A channel of SSH knows no deadlines:
// one that passes ends the connection.
type conn struct {
	net.Conn
	to      place
	client  *ssh.Client
	alive   sync.WaitGroup
	closing chan struct{}
	once    sync.Once

	mu    sync.Mutex
	timer *time.Timer
	late  bool
}

// RemoteAddr is the address beyond the tunnel, by which another connection to
// the same server can be made: package ssh says 0.0.0.0:0.
func (c *conn) RemoteAddr() net.Addr { return c.to }

// place is an address as the bastion host knows it.
type place struct{ network, address string }

func (p place) Network() string { return p.network }
func (p place) String() string  { return p.address }

// keep gives signs of life, and ends the connection if none comes back.
func (c *conn) keep() {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-c.closing:
			return
		case <-tick.C:
		}
		dead := time.AfterFunc(patience, func() { c.client.Close() })
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		dead.Stop()
		if err != nil {
			return
		}
	}
}

// Close implements net.Conn. It may be called more than once, by anyone.
func (c *conn) Close() error {
	var err error
	c.once.Do(func() {
		c.SetDeadline(time.Time{})
		c.Conn.Close()
		close(c.closing)
		err = c.client.Close()
		c.alive.Wait()
	})
	return err
}
