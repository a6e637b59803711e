// Package pgtest gives tests a real PostgreSQL: the server at
// $ELT_TEST_POSTGRES (a URL of a superuser), or one started once per test
// binary from the machine's own PostgreSQL programs. A test gets a database
// of its own. Where there is neither, tests skip with the reason, and fail
// under CI. Test code only.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"elt/internal/fake/port"
)

// Main runs a package's tests and stops the server that they started:
// func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	stop()
	return code
}

// URL is the address of a fresh, empty database that belongs to the test. It
// is dropped afterwards, and kept when the test failed.
func URL(t testing.TB) string {
	t.Helper()
	admin := server(t)
	name := fmt.Sprintf("elt_%d_%d", os.Getpid(), counter.Add(1))
	exec := func(sql string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		return err
	}
	if err := exec("create database " + name + " template template0 encoding 'UTF8' locale 'C'"); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("pgtest: database %s kept", name)
			return
		}
		if err := exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '" + name + "' and not active"); err != nil {
			t.Logf("pgtest: drop replication slots: %v", err)
		}
		if err := exec("drop database if exists " + name + " with (force)"); err != nil {
			t.Logf("pgtest: drop database: %v", err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

var (
	counter atomic.Int64
	once    sync.Once
	running instance
)

// instance is the server of this test binary.
type instance struct {
	url  string
	dir  string
	args []string
	cmd  *exec.Cmd
	skip error
}

func server(t testing.TB) string {
	t.Helper()
	if u := os.Getenv("ELT_TEST_POSTGRES"); u != "" {
		return u
	}
	once.Do(func() { running.skip = running.start() })
	if running.skip != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("pgtest: %v", running.skip)
		}
		t.Skipf("no PostgreSQL for this test: %v (set ELT_TEST_POSTGRES or install PostgreSQL's server)", running.skip)
	}
	return running.url
}

func (i *instance) start() error {
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
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", i.data(), "-U", "elt", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = attr, i.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return i.serve(bin)
}

// serve starts the server of the data that is there, at a port of its own.
func (i *instance) serve(bin string) (err error) {
	for range 3 { // a port that was free may be taken by now
		var at int
		if at, err = port.Free(); err != nil {
			return err
		}
		i.url = fmt.Sprintf("postgres://elt@127.0.0.1:%d/postgres?sslmode=disable", at)
		i.args = []string{filepath.Join(bin, "postgres"), "-D", i.data(), "-k", i.dir, "-p", strconv.Itoa(at),
			"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=100", "-c", "wal_level=logical", "-c", "max_replication_slots=100", "-c", "max_wal_senders=100"}
		if err = i.launch(); !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}

func (i *instance) data() string { return filepath.Join(i.dir, "data") }

var errEnded = errors.New("the server ended by itself")

// launch starts the server and waits until it answers, not another one that
// listens at its port.
func (i *instance) launch() error {
	attr, err := i.unprivileged()
	if err != nil {
		return err
	}
	i.cmd = exec.Command(i.args[0], i.args[1:]...)
	i.cmd.SysProcAttr, i.cmd.Dir = attr, i.dir
	log, err := os.OpenFile(filepath.Join(i.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	i.cmd.Stdout, i.cmd.Stderr = log, log
	if err := i.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if i.ended() {
			i.end(syscall.SIGKILL)
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%w: %s", errEnded, said)
		}
		if i.answers() {
			return nil
		}
	}
	return fmt.Errorf("the server did not answer within two minutes, see %s", log.Name())
}

func (i *instance) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, i.url)
	if err != nil {
		return false
	}
	defer conn.Close(ctx)
	var dir string
	return conn.QueryRow(ctx, "show data_directory").Scan(&dir) == nil && dir == i.data()
}

// ended says whether the process is over. It is not reaped: end does that.
func (i *instance) ended() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, i.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// end stops the server by a signal and removes nothing.
func (i *instance) end(signal syscall.Signal) {
	if i.cmd != nil && i.cmd.Process != nil {
		i.cmd.Process.Signal(signal)
		i.cmd.Wait()
	}
	i.cmd = nil
}

// unprivileged makes the server run as an ordinary user, since it refuses
// root, and lets it die with this process.
func (i *instance) unprivileged() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, os.Chown(i.dir, uid, gid)
	}
	return nil, fmt.Errorf("no user postgres or nobody to run the server as")
}

func stop() {
	running.end(syscall.SIGINT) // fast shutdown
	if running.dir != "" {
		os.RemoveAll(running.dir)
	}
}

// programs is the folder with initdb and postgres; Debian keeps them off PATH.
func programs() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil { // the others need no link
			return filepath.Dir(p), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", fmt.Errorf("initdb is not installed")
	}
	return strings.TrimSuffix(found[len(found)-1], "/initdb"), nil
}
