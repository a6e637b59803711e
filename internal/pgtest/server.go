package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL of one test's own, which the test may stop and start.
type Server struct {
	instance
	t testing.TB
}

// NewServer starts one; it is gone when the test ends.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t}
	t.Cleanup(func() {
		s.end(syscall.SIGQUIT)
		os.RemoveAll(s.dir)
	})
	if err := s.instance.start(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("pgtest: %v", err)
		}
		t.Skipf("no PostgreSQL for this test: %v (install PostgreSQL's server)", err)
	}
	return s
}

// URL is its address, with an empty database.
func (s *Server) URL() string { return s.url }

// Stop breaks every connection at once, as a crash would.
func (s *Server) Stop() { s.end(syscall.SIGQUIT) }

// Start starts it again, with what was committed before.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Restart stops it as a crash would, and starts it with more settings, such
// as "wal_level=replica", which then stay.
func (s *Server) Restart(settings ...string) {
	s.t.Helper()
	s.Stop()
	for _, set := range settings {
		s.args = append(s.args, "-c", set)
	}
	s.Start()
}

// Owns gives a file to the user that the server runs as.
func (s *Server) Owns(path string) {
	s.t.Helper()
	attr, err := s.unprivileged()
	if err == nil && attr.Credential != nil {
		err = os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid))
	}
	if err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Exec executes statements, one after the other.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			s.t.Fatalf("pgtest: %s: %v", sql, err)
		}
	}
}

// Replica is a streaming replica. From now on a COMMIT here waits until the
// replica has it: none is lost in a failover.
func (s *Server) Replica() *Server {
	s.t.Helper()
	r := &Server{t: s.t}
	s.t.Cleanup(func() {
		r.end(syscall.SIGQUIT)
		os.RemoveAll(r.dir)
	})
	if err := r.follow(s.url); err != nil {
		s.t.Fatalf("pgtest: replica: %v", err)
	}
	s.Exec("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
	return r
}

// follow copies a server's data and starts a replica with it.
func (i *instance) follow(primary string) error {
	bin, err := programs()
	if err != nil {
		return err
	}
	if i.dir, err = os.MkdirTemp("", "elt-pgtest-"); err != nil {
		return err
	}
	attr, err := i.unprivileged()
	if err != nil {
		return err
	}
	copying := exec.Command(filepath.Join(bin, "pg_basebackup"), "-d", primary, "-D", i.data(), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
	copying.SysProcAttr, copying.Dir = attr, i.dir
	if out, err := copying.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return i.serve(bin)
}

// Promote makes a replica the server that takes writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.Exec("select pg_promote(true, 120)")
}

// Either is the address of whichever of both takes writes.
func (s *Server) Either(other *Server) string {
	a, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := url.Parse(other.url)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Host += "," + b.Host
	a.RawQuery += "&target_session_attrs=read-write"
	return a.String()
}
