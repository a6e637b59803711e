// Package pgtest gives tests a real PostgreSQL: the server at
// $ELT_TEST_POSTGRES (a URL of a superuser), or one started once per test
// binary from the machine's own PostgreSQL programs. A test gets a database
// of its own. Where there is neither, tests skip with the reason, and fail
// under CI. Test code only.
package pgtest

import (
	"context"
	"fmt"
	"net"
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
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
func (i *instance) serve(bin string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	i.url = fmt.Sprintf("postgres://elt@127.0.0.1:%d/postgres?sslmode=disable", port)
	i.args = []string{filepath.Join(bin, "postgres"), "-D", i.data(), "-k", i.dir, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=100", "-c", "wal_level=logical", "-c", "max_replication_slots=100", "-c", "max_wal_senders=100"}
	return i.launch()
}

func (i *instance) data() string { return filepath.Join(i.dir, "data") }

// launch starts the server and waits until it answers.
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
	for range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, i.url)
		if err == nil {
			conn.Close(ctx)
			cancel()
			return nil
		}
		cancel()
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the server did not answer within 10 s, see %s", log.Name())
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

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
