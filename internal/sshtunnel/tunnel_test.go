package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"elt/internal/fake/bastion"
	"elt/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a bastion host, settings that work with it, and a server behind it
// that sends back what it gets.
func world(t *testing.T) (*bastion.Server, Settings, string) {
	t.Helper()
	b, err := bastion.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { b.Close(); echo.Close(); <-done })
	return b, Settings{Enable: true, Host: b.Host, Port: b.Port, User: b.User, Key: b.Key, HostKey: ssh.FingerprintSHA256(b.HostKey)}, echo.Addr().String()
}

func say(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("%q came back", got)
	}
	return nil
}

// Every way to write the keys down leads through.
func TestKeys(t *testing.T) {
	b, good, address := world(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.HostKey)))
	at := knownhosts.Normalize(net.JoinHostPort(b.Host, fmt.Sprint(b.Port)))
	other, err := bastion.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	wrong := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other.HostKey)))
	for name, c := range map[string]struct {
		change func(*Settings)
		fails  string
		kind   fault.Kind
	}{
		"fingerprint": {func(s *Settings) {}, "", ""},
		"public key":  {func(s *Settings) { s.HostKey = line }, "", ""},
		"any":         {func(s *Settings) { s.HostKey = "any" }, "", ""},
		"known hosts": {func(s *Settings) { s.HostKey, s.KnownHosts = "", file("known", at+" "+line+"\n") }, "", ""},
		"hashed known hosts": {func(s *Settings) {
			s.HostKey, s.KnownHosts = "", file("hashed", knownhosts.HashHostname(at)+" "+line+"\n")
		}, "", ""},
		"locked key":      {func(s *Settings) { s.Key, s.Passphrase = b.Locked, "open sesame" }, "", ""},
		"key in a file":   {func(s *Settings) { s.Key = file("key", b.Key) }, "", ""},
		"key in one line": {func(s *Settings) { s.Key = strings.ReplaceAll(b.Key, "\n", `\n`) }, "", ""},

		"unknown":             {func(s *Settings) { s.HostKey, s.KnownHosts = "", filepath.Join(dir, "none") }, "no key of it is known", fault.KindTLS},
		"not in known hosts":  {func(s *Settings) { s.HostKey, s.KnownHosts = "", file("else", "elsewhere "+line+"\n") }, "knows no key of it", fault.KindTLS},
		"another known":       {func(s *Settings) { s.HostKey, s.KnownHosts = "", file("other", at+" "+wrong+"\n") }, "knows another", fault.KindTLS},
		"another key":         {func(s *Settings) { s.HostKey = wrong }, "shows the key " + ssh.FingerprintSHA256(b.HostKey), fault.KindTLS},
		"another fingerprint": {func(s *Settings) { s.HostKey = ssh.FingerprintSHA256(other.HostKey) }, "ssh_tunnel.host_key says", fault.KindTLS},
		"no host key":         {func(s *Settings) { s.HostKey = "nonsense" }, "is no public key", fault.KindSettings},
		"no password":         {func(s *Settings) { s.Key = b.Locked }, "is locked", fault.KindSettings},
		"wrong password":      {func(s *Settings) { s.Key, s.Passphrase = b.Locked, "geheim" }, "cannot be used", fault.KindSettings},
		"no key":              {func(s *Settings) { s.Key = "" }, `"ssh_tunnel.private_key" is missing`, fault.KindSettings},
		"key file is gone":    {func(s *Settings) { s.Key = filepath.Join(dir, "geheim") }, "neither a private key nor a file", fault.KindPath},
		"user of another key": {func(s *Settings) { s.Key = other.Key }, "refuses the key of user", fault.KindAuth},
		"nobody there":        {func(s *Settings) { s.Port = 1 }, "does not answer", fault.KindConnect},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			c.change(&s)
			conn, err := s.Dial(t.Context(), "tcp", address)
			if c.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if err := say(conn, "hello"); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				conn.Close()
				t.Fatal("it led through")
			}
			if text := fault.Render(err); !strings.Contains(text, c.fails) || strings.Contains(text, "geheim") || fault.KindOf(err) != c.kind {
				t.Errorf("%s (%s)", text, fault.KindOf(err))
			}
		})
	}
}

func TestWhatTheBastionCannotReach(t *testing.T) {
	b, s, _ := world(t)
	_, err := s.Dial(t.Context(), "tcp", "127.0.0.1:1")
	if fault.KindOf(err) != fault.KindConnect || !strings.Contains(err.Error(), "cannot reach 127.0.0.1:1") {
		t.Error(err)
	}
	b.Forbid = true
	_, err = s.Dial(t.Context(), "tcp", "127.0.0.1:1")
	if fault.KindOf(err) != fault.KindPermission || !strings.Contains(fault.Advice(err), "AllowTcpForwarding") {
		t.Error(err)
	}
}

// A server that takes the connection and says nothing does not hold us.
func TestDialEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, s, address := world(t)
	s.Port = silent.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Dial(ctx, "tcp", address); err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestDeadline(t *testing.T) {
	_, s, address := world(t)
	c, err := s.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Hour))
	c.SetDeadline(time.Time{})
	if err := say(c, "still there"); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a read that waits ends with %v", err)
	}
}

func TestCutConnectionEnds(t *testing.T) {
	b, s, address := world(t)
	c, err := s.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := say(c, "x"); err != nil {
		t.Fatal(err)
	}
	b.Cut()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a cut connection reads on")
	}
}
