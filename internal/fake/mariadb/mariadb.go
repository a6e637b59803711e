// Package mariadb starts Debian's MariaDB for tests, on loopback, as a process
// that ends with the test binary.
package mariadb

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"elt/internal/fake/port"
)

// Server is a MariaDB whose root has no password. Its own time zone is +05:00
// and its SQL mode is empty, so that what a client takes for granted shows.
type Server struct {
	Port   int
	Socket string
	dir    string
	start  func() *exec.Cmd
	cmd    *exec.Cmd
	ended  chan error // closed when the process has been reaped
}

// Start makes a data directory and waits until the server answers; options are
// of mariadbd. An error means that mariadb-server is not installed, or does not
// run here.
func Start(options ...string) (s *Server, err error) {
	daemon, err := exec.LookPath("mariadbd")
	if err != nil {
		if daemon, err = exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			return nil, err
		}
	}
	s = &Server{}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "elt-maria-"); err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("mysql")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return nil, err
		}
		if err := os.Chmod(s.dir, 0o755); err != nil { // the socket is for others, too
			return nil, err
		}
	}
	data := filepath.Join(s.dir, "data")
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	install.SysProcAttr, install.Dir = &syscall.SysProcAttr{Credential: attr.Credential}, s.dir
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	s.Socket = filepath.Join(s.dir, "s")
	s.start = func() *exec.Cmd {
		cmd := exec.Command(daemon, append([]string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + s.dir, "--socket=" + s.Socket, "--pid-file=" + filepath.Join(s.dir, "pid"),
			"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.Port), "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--sql-mode=", "--default-time-zone=+05:00"}, options...)...)
		cmd.SysProcAttr, cmd.Dir = attr, s.dir
		return cmd
	}
	for range 3 { // a port that was free may be taken by now
		if s.Port, err = port.Free(); err != nil {
			return nil, err
		}
		if err = s.run(); !errors.Is(err, errEnded) {
			return s, err
		}
	}
	return s, err
}

var errEnded = errors.New("the server ended by itself")

// run starts the process and waits until it answers.
func (s *Server) run() error {
	s.cmd = s.start()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	started := make(chan error)
	go func() { // Pdeathsig is of the thread: it must live as long as the process
		runtime.LockOSThread()
		defer runtime.UnlockOSThread() // or it ends, and with it what else it ever started
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // how it ended is not asked
		}
		close(started)
	}()
	if err := <-started; err != nil {
		s.cmd = nil
		return err
	}
	s.ended = started
	said := func() []byte { text, _ := os.ReadFile(log.Name()); return text }
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		select {
		case <-s.ended:
			return fmt.Errorf("%w: %s", errEnded, said())
		case <-time.After(50 * time.Millisecond):
		}
		// By its socket, which is its own: anybody may listen at a port.
		if c, err := net.Dial("unix", s.Socket); err == nil {
			c.Close()
			return nil
		}
	}
	return fmt.Errorf("the server does not answer: %s", said())
}

// Restart kills the process and starts it again on the same data.
func (s *Server) Restart() error {
	_ = s.cmd.Process.Kill()
	<-s.ended
	return s.run()
}

// Stop kills the server and removes its files. A nil Server has nothing to stop.
func (s *Server) Stop() {
	if s == nil {
		return
	}
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}
