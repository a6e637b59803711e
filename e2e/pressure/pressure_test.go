// Package pressure proves that memory stays small where data do not: a slow
// target under a source of 10 GB, and a line of 100 MB.
package pressure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/internal/pgtest"
)

// bin is where elt and the plugins of these tests are.
var bin string

func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "tap-flood":
		flood()
	case "target-slow":
		slow()
	default:
		os.Exit(run(m))
	}
}

func run(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "elt-pressure-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "elt"), "elt").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	self, err := os.Executable()
	for _, name := range []string{"tap-flood", "target-slow"} {
		err = errors.Join(err, os.Symlink(self, filepath.Join(bin, name)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pgtest.Main(m)
}

// rate is how fast a slow target is, in bytes per second.
const rate = 1 << 20

// most is what any process may take, in MB.
const most = 128

// A target that takes 1 MB a second makes a source of 10 GB wait, whoever
// they are: nobody on the way keeps what it cannot pass on.
func TestASlowTargetMakesItsSourceWait(t *testing.T) {
	const third, builtIn = "tap-flood", "tap-postgres"
	at := source(t)
	for _, c := range []struct {
		name, tap, target string
		flags             []string
	}{
		{"third-party plugins", third, "target-slow", nil},
		{"built-in tap, third-party target", builtIn, "target-slow", nil},
		{"third-party tap, built-in target", third, "target-postgres", nil},
		{"built-in pair in one process", builtIn, "target-postgres", nil},
		{"built-in pair in two", builtIn, "target-postgres", []string{"--no-fuse"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := project(t, at, throttled(t, at))
			elt := start(t, dir, append([]string{"run", c.tap, c.target}, c.flags...)...)
			time.Sleep(lasting()) // how long the pressure lasts, not a wait for something
			if elt.Process.Signal(syscall.Signal(0)) != nil || elt.ended() {
				t.Fatalf("the run ended by itself:\n%s", elt.said())
			}
			elt.check(t)
			elt.Process.Signal(syscall.SIGTERM)
			elt.Wait()
			if code := elt.ProcessState.ExitCode(); code != 143 {
				t.Errorf("exit code %d\n%s", code, elt.said())
			}
		})
	}
}

func lasting() time.Duration {
	if os.Getenv("ELT_TEST_LONG") != "" {
		return 75 * time.Second
	}
	return 3 * time.Second
}

// source is a database with a view of 10 GB that takes no room.
func source(t *testing.T) string {
	at := pgtest.URL(t)
	query(t, at, `create schema src; create view src.flood as select id, repeat('x', 1000) || id as pad from (select generate_series(1, 10000000) as id) g`)
	return at
}

func query(t *testing.T, at, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.PgConn().Exec(t.Context(), statement).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if last := rows[len(rows)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

// throttled is the address of a server behind a line that takes 1 MB a second.
func throttled(t *testing.T, at string) string {
	server, err := pgx.ParseConfig(at)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", net.JoinHostPort(server.Host, fmt.Sprint(server.Port))
	if strings.HasPrefix(server.Host, "/") {
		network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", server.Host, server.Port)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				back, err := net.Dial(network, address)
				if err != nil {
					return
				}
				defer back.Close()
				go io.Copy(client, back)
				trickle(back, client)
			}()
		}
	}()
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(server.User, server.Password), Host: l.Addr().String(), Path: server.Database}
	return u.String()
}

// trickle copies no faster than rate.
func trickle(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	began, n := time.Now(), 0
	for {
		got, err := from.Read(buf)
		if _, bad := to.Write(buf[:got]); err != nil || bad != nil {
			return
		}
		if n += got; n > rate/10 { // a login is quick
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / rate)))
		}
	}
}

func project(t *testing.T, at, slowly string) string {
	dir := t.TempDir()
	text := fmt.Sprintf(`version: 1
default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - {name: tap-flood, namespace: tap_flood, config: {line: 1000}}
  - {name: tap-line, inherit_from: tap-flood, executable: tap-flood, config: {line: 100000000}}
  - {name: tap-jsonl, config: {files: [{entity: flood, path: long.jsonl, keys: [id]}]}}
  - name: tap-postgres
    config: {sqlalchemy_url: %q, filter_schemas: [src]}
    select: [src-flood.*]
  loaders:
  - {name: target-slow, namespace: target_slow}
  - {name: target-sink, namespace: target_sink, executable: target-slow, config: {fast: true}}
  - {name: target-postgres, config: {sqlalchemy_url: %q, default_target_schema: out}}
  - {name: target-sqlite, config: {path: out.db}}
  - {name: target-jsonl, config: {destination_path: out}}
`, at, slowly)
	if err := os.WriteFile(filepath.Join(dir, "elt.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command is elt on its way; seen has the highest memory of each process.
type command struct {
	*exec.Cmd
	out  *bytes.Buffer
	done chan struct{}
	seen *peaks
}

func start(t *testing.T, dir string, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command(filepath.Join(bin, "elt"), args...), out: &bytes.Buffer{}}
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "NO_COLOR=1")
	c.Stdout, c.Stderr = c.out, c.out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.seen = watch(c.Process.Pid)
	t.Cleanup(func() {
		if !c.ended() {
			c.Process.Kill()
			c.Cmd.Wait()
		}
	})
	return c
}

func (c *command) Wait() {
	c.Cmd.Wait()
	c.seen.stop()
}

func (c *command) ended() bool { return c.ProcessState != nil }

// said is what elt printed, once it has ended.
func (c *command) said() string {
	if !c.ended() {
		return ""
	}
	return c.out.String()
}

// check holds every process against the limit.
func (c *command) check(t *testing.T) {
	t.Helper()
	all := c.seen.read()
	if len(all) < 3 {
		t.Errorf("only these processes were seen: %v", all)
	}
	for name, mb := range all {
		t.Logf("%4.0f MB  %s", mb, name)
		if mb > most {
			t.Errorf("%s took %.0f MB", name, mb)
		}
	}
}
