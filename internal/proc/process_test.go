package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eachHost runs a test with processes of ours and with those of a guard.
func eachHost(t *testing.T, test func(t *testing.T, h Host)) {
	t.Run("direct", func(t *testing.T) { test(t, Direct{}) })
	t.Run("guard", func(t *testing.T) {
		g, err := StartGuard(os.Args[0], filepath.Join(t.TempDir(), "run", "lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, g)
	})
}

func mustStart(t *testing.T, h Host, c Command) *Process {
	t.Helper()
	p, err := h.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); p.Close(); p.Wait() })
	return p
}

func TestBytesGoThrough(t *testing.T) {
	eachHost(t, func(t *testing.T, h Host) {
		p := mustStart(t, h, self("cat"))
		text := strings.Repeat("0123456789abcdef", 1<<17)
		go func() {
			io.WriteString(p.Stdin, text)
			p.Stdin.Close()
		}()
		got, err := io.ReadAll(p.Stdout)
		if err != nil || string(got) != text {
			t.Fatalf("read %d of %d bytes, %v", len(got), len(text), err)
		}
		if s := p.Wait(); !s.OK() {
			t.Fatal(s)
		}
	})
}

func TestStatusIsData(t *testing.T) {
	eachHost(t, func(t *testing.T, h Host) {
		p := mustStart(t, h, self("exit", "7"))
		if s := p.Wait(); s.Code != 7 || s.Signal != 0 || s.OK() || s.String() != "exit code 7" {
			t.Fatalf("%+v", s)
		}
		p = mustStart(t, h, self("stubborn"))
		p.Kill()
		if s := p.Wait(); s.Signal != syscall.SIGKILL || s.Code != 137 {
			t.Fatalf("%+v", s)
		}
		p = mustStart(t, h, self("cat"))
		p.Terminate()
		if s := p.Wait(); s.Signal != syscall.SIGTERM {
			t.Fatalf("%+v", s)
		}
	})
}

func TestMissingExecutable(t *testing.T) {
	eachHost(t, func(t *testing.T, h Host) {
		_, err := h.Start(Command{Name: "tap-x", Path: "/nowhere/tap-x"})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "start tap-x") {
			t.Fatalf("%v", err)
		}
	})
}

// A child sees the environment of its command and nothing of ours (invariant 10).
func TestEnvironmentIsTheCommands(t *testing.T) {
	t.Setenv("ELT_TEST_SECRET", "hunter2")
	eachHost(t, func(t *testing.T, h Host) {
		c := self("args", "a b", "$X")
		for _, env := range [][]string{nil, {"ONLY=this"}} {
			c.Env = env
			got, _ := io.ReadAll(mustStart(t, h, c).Stdout)
			if want := fmt.Sprintf("%q %q\n", []string{"a b", "$X"}, c.environment()); string(got) != want {
				t.Fatalf("got %s want %s", got, want)
			}
		}
	})
}

func TestStopLadder(t *testing.T) {
	eachHost(t, func(t *testing.T, h Host) {
		p := mustStart(t, h, self("stubborn"))
		bufio.NewReader(p.Stdout).ReadString('\n') // its handler is set
		if s := p.Stop(20 * time.Millisecond); s.Signal != syscall.SIGKILL {
			t.Fatalf("%+v", s)
		}
		p = mustStart(t, h, self("cat"))
		if s := p.Stop(time.Minute); s.Signal != syscall.SIGTERM {
			t.Fatalf("%+v", s)
		}
		p.Stop(0) // again: nothing happens
	})
}

// A process that outlives its leader in the group and holds the pipes is
// killed once it was silent for Linger; the reader then sees the end.
func TestPipesHeldByAnother(t *testing.T) {
	eachHost(t, func(t *testing.T, h Host) {
		c := self("holder")
		c.Linger = 50 * time.Millisecond
		p := mustStart(t, h, c)
		got, err := io.ReadAll(p.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Sscanf(string(got), "stubborn %d\n", &pid); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		p.Wait()
		dead(t, pid)
	})
}

// What a child wrote before its end is never lost, however late it is read.
func TestLateReaderLosesNothing(t *testing.T) {
	c := self("args", strings.Repeat("x", 30_000))
	c.Linger = time.Nanosecond // has passed whenever a Read begins
	p := mustStart(t, Direct{}, c)
	<-p.Exited()
	got, err := io.ReadAll(p.Stdout)
	if err != nil || len(got) < 30_000 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestStderrFlood(t *testing.T) {
	var lines []string
	c := self("flood", "200000")
	c.Stderr = func(b []byte) { lines = append(lines, string(b)) }
	c.StderrLimit = StderrLimit{Bytes: 1000}
	p := mustStart(t, Direct{}, c)
	p.Wait()
	handed := int64(len(lines) - 1) // one is the note
	if handed+p.StderrDropped() != 200_000 || p.StderrDropped() == 0 {
		t.Fatalf("%d handed on, %d dropped", handed, p.StderrDropped())
	}
	if last := lines[len(lines)-1]; last != fmt.Sprintf("%d lines dropped", p.StderrDropped()) {
		t.Fatalf("last line %q", last)
	}
	if tail := p.Tail(); len(tail) != tailLines || tail[tailLines-1] != "line 199999" {
		t.Fatalf("tail %q", tail)
	}
}

func TestStderrLongLine(t *testing.T) {
	var lines []string
	c := self("long")
	c.Stderr = func(b []byte) { lines = append(lines, string(b)) }
	p := mustStart(t, Direct{}, c)
	p.Wait()
	want := strings.Repeat("x", maxStderrLine) + fmt.Sprintf(" … (%d bytes cut)", 100_000-maxStderrLine)
	if len(lines) != 2 || lines[0] != want || lines[1] != "short" {
		t.Fatalf("%d lines, the first of %d bytes", len(lines), len(lines[0]))
	}
}
