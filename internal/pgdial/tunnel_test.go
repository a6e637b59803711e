package pgdial_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"elt/internal/check"
	"elt/internal/fake/bastion"
	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/internal/sshtunnel"
)

// tunnelled is a server that is reached through a bastion host.
func tunnelled(t *testing.T) (*bastion.Server, pgdial.Settings) {
	s := server(t)
	b, err := bastion.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s.SSHTunnel = sshtunnel.Settings{Enable: true, Host: b.Host, Port: b.Port, User: b.User, Key: b.Key, HostKey: ssh.FingerprintSHA256(b.HostKey)}
	return b, s
}

func TestTunnel(t *testing.T) {
	b, s := tunnelled(t)
	s.Host = "localhost" // a name that the bastion host resolves
	ctx, cancel := context.WithCancel(t.Context())
	c, err := s.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var sum int
	if err := c.QueryRow(ctx, "select sum(length(repeat('x', n))) from generate_series(1, 1000) n").Scan(&sum); err != nil || sum != 500500 {
		t.Error(sum, err)
	}
	if !slices.ContainsFunc(b.Forwards(), func(a string) bool { return strings.HasPrefix(a, "localhost:") }) {
		t.Errorf("forwarded to %v", b.Forwards())
	}
	// What runs is cancelled on the server, by a tunnel of its own.
	direct := server(t)
	other, err := direct.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	before, pid := len(b.Forwards()), c.PgConn().PID()
	var watching sync.WaitGroup
	watching.Go(func() { // cancelled once it runs
		for n := 0; n == 0 && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			_ = other.QueryRow(ctx, "select count(*) from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%'", pid).Scan(&n)
		}
		cancel()
	})
	if _, err := c.Exec(ctx, "select pg_sleep(600)"); err == nil || len(b.Forwards()) != before+1 || b.Forwards()[before] != b.Forwards()[0] {
		t.Errorf("%v, forwarded to %v", err, b.Forwards())
	}
	cancel()
	watching.Wait()
}

func TestTunnelIsCut(t *testing.T) {
	b, s := tunnelled(t)
	c, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	b.Cut()
	if _, err := c.Exec(t.Context(), "select 1"); err == nil || !c.IsClosed() {
		t.Errorf("after the cut: %v", err)
	}
}

func TestTunnelRefusalsAreNotRetried(t *testing.T) {
	b, s := tunnelled(t)
	s.Retry = 600
	for name, change := range map[string]func(*pgdial.Settings){
		"refuses the key of user":  func(s *pgdial.Settings) { s.SSHTunnel.User = "nobody" },
		"shows the key":            func(s *pgdial.Settings) { s.SSHTunnel.HostKey = "SHA256:AAAA" },
		"does not let":             func(*pgdial.Settings) { b.Forbid = true },
		`"ssh_tunnel.username" is`: func(s *pgdial.Settings) { s.SSHTunnel.User = "" },
	} {
		changed := s
		change(&changed)
		_, err := changed.Dial(t.Context())
		b.Forbid = false
		if err == nil || !strings.Contains(err.Error(), name) || fault.Advice(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckNamesTheBastionHost(t *testing.T) {
	b, s := tunnelled(t)
	var results []check.Result
	report := check.NewReport(time.Minute, func(r check.Result) { results = append(results, r) })
	if c := s.Check(t.Context(), report); c == nil {
		t.Fatal(results)
	} else {
		c.Close(context.Background())
	}
	if at := results[1].Detail; !strings.Contains(at, " through "+b.Host) {
		t.Errorf("connect: %q", at)
	}
	s.SSHTunnel.User = "nobody"
	if s.Check(t.Context(), report) != nil || results[len(results)-1].Kind != fault.KindAuth {
		t.Errorf("%+v", results[len(results)-1])
	}
	if !errors.Is(report.Err(), check.ErrFailed) {
		t.Error("the failure does not count")
	}
}
