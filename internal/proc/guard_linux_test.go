package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// runnerUnderTest is a runner process with a guard and a double-forking stage.
type runnerUnderTest struct {
	cmd                     *exec.Cmd
	lock                    string
	guard, leader, detached int
}

func startRunner(t *testing.T, stage string) runnerUnderTest {
	t.Helper()
	r := runnerUnderTest{lock: filepath.Join(t.TempDir(), "lock")}
	r.cmd = exec.Command(os.Args[0], "helper", "runner", r.lock, stage)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill(); r.cmd.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "guard %d leader %d stubborn %d", &r.guard, &r.leader, &r.detached); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return r
}

// A runner that is killed leaves no process behind, not even one that
// double-forked into a session of its own, whether its leader lives or not;
// and the lock is free only when all are dead (invariant 8).
func TestRunnerKilled(t *testing.T) {
	for _, stage := range []string{"stay", "go"} {
		for i := range 10 {
			t.Run(fmt.Sprint(stage, i), func(t *testing.T) {
				r := startRunner(t, stage)
				file, err := os.Open(r.lock)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				if free, err := LockFree(r.lock); free || err != nil {
					t.Fatalf("the lock is free while the run lives, %v", err)
				}
				r.cmd.Process.Kill()
				if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil { // waits for the guard
					t.Fatal(err)
				}
				if alive(r.leader) || alive(r.detached) {
					t.Fatal("the lock was dropped before the processes were dead")
				}
				dead(t, r.guard, r.leader, r.detached)
				if free, err := LockFree(r.lock); !free || err != nil {
					t.Fatalf("the lock is not free after the run, %v", err)
				}
			})
		}
	}
}

// A runner that ends in order leaves nothing behind either.
func TestGuardCloseKillsWhatIsLeft(t *testing.T) {
	g, err := StartGuard(os.Args[0], filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	p := mustStart(t, g, self("forker", "go"))
	var pid int
	if _, err := fmt.Fscanf(p.Stdout, "stubborn %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	if s := p.Wait(); !s.OK() {
		t.Fatal(s)
	}
	if !alive(pid) {
		t.Fatal("nothing was left behind, so this test shows nothing")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Fatal("alive after Close")
	}
}

// A guard that is killed takes its children with it, and the runner learns it.
func TestGuardKilled(t *testing.T) {
	g, err := StartGuard(os.Args[0], filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	p := mustStart(t, g, self("cat"))
	syscall.Kill(g.PID(), syscall.SIGKILL)
	if s := p.Wait(); !errors.Is(s.Err, ErrGuardGone) || s.OK() {
		t.Fatalf("%+v", s)
	}
	dead(t, p.PID())
	if _, err := g.Start(self("cat")); !errors.Is(err, ErrGuardGone) {
		t.Fatalf("%v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// Signals that reach everybody do not end the guard, and what it starts does
// not inherit its deafness.
func TestGuardSurvivesSignals(t *testing.T) {
	g, err := StartGuard(os.Args[0], filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Ready(); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		syscall.Kill(g.PID(), sig)
	}
	p := mustStart(t, g, self("cat"))
	p.Terminate()
	if s := p.Wait(); s.Signal != syscall.SIGTERM {
		t.Fatalf("%+v", s)
	}
}

func TestSecondGuardIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := StartGuard(os.Args[0], path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := first.Ready(); err != nil {
		t.Fatal(err)
	}
	second, err := StartGuard(os.Args[0], path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Ready(); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("%v", err)
	}
	if free, _ := LockFree(path); free {
		t.Fatal("the refused guard freed the first one's lock")
	}
}

// Neither argument list nor environment of the guard show what a stage gets.
func TestGuardKnowsNoSecret(t *testing.T) {
	t.Setenv("ELT_TEST_SECRET", "hunter2")
	g, err := StartGuard(os.Args[0], filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	c := self("cat")
	c.Env = []string{"TAP_X_PASSWORD=hunter2"}
	mustStart(t, g, c)
	for _, file := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", g.PID(), file))
		if err != nil || strings.Contains(string(b), "hunter2") {
			t.Fatalf("%s: %q, %v", file, b, err)
		}
	}
}

// BenchmarkGuard is the price of a guarded run: guard, one process, end.
func BenchmarkGuard(b *testing.B) {
	path := filepath.Join(b.TempDir(), "lock")
	for b.Loop() {
		g, err := StartGuard(os.Args[0], path)
		if err != nil {
			b.Fatal(err)
		}
		p, err := g.Start(Command{Name: "true", Path: "/bin/true"})
		if err != nil {
			b.Fatal(err)
		}
		p.Wait()
		p.Close()
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Should runner and guard be killed together, the run's own processes die, and
// what double-forked is found by the mark in its environment.
func TestRunnerAndGuardKilled(t *testing.T) {
	mark := "ELT_TEST_RUN=" + t.Name() + strconv.Itoa(os.Getpid())
	name, value, _ := strings.Cut(mark, "=")
	t.Setenv(name, value)
	r := startRunner(t, "stay")
	t.Cleanup(func() { syscall.Kill(r.detached, syscall.SIGKILL) })
	r.cmd.Process.Signal(syscall.SIGSTOP) // so that it cannot clean up
	syscall.Kill(r.guard, syscall.SIGKILL)
	dead(t, r.leader)
	r.cmd.Process.Kill()
	r.cmd.Wait()
	if !alive(r.detached) {
		t.Fatal("nothing was left behind, so this test shows nothing")
	}
	if err := KillLeft(mark + "x"); err != nil || !alive(r.detached) {
		t.Fatalf("another run's process was killed (%v)", err)
	}
	if err := KillLeft(mark); err != nil {
		t.Fatal(err)
	}
	dead(t, r.detached)
}

// What a child leaves in its input is counted.
func TestUnread(t *testing.T) {
	p := mustStart(t, Direct{}, self("stubborn"))
	if _, err := p.Stdin.Write(make([]byte, 12345)); err != nil {
		t.Fatal(err)
	}
	unread := p.CloseStdin()
	p.Kill()
	p.Wait()
	if n := unread(); n != 12345 {
		t.Fatalf("%d bytes", n)
	}
	p = mustStart(t, Direct{}, self("cat"))
	if _, err := p.Stdin.Write(make([]byte, 12345)); err != nil {
		t.Fatal(err)
	}
	unread = p.CloseStdin()
	p.Wait()
	if n := unread(); n != 0 {
		t.Fatalf("%d bytes of a child that read all", n)
	}
}
