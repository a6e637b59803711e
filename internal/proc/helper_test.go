package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also every process that the tests start. Those end by
// syscall.Exit, because in os.Exit the race detector sleeps for a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			syscall.Exit(GuardMain(os.Args[2:]))
		case "helper":
			syscall.Exit(helper(os.Args[2], os.Args[3:]))
		}
	}
	goleak.VerifyTestMain(m)
}

func helper(what string, args []string) int {
	switch what {
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "args":
		fmt.Printf("%q %q\n", args, os.Environ())
	case "stubborn": // ends only by SIGKILL, as does its own child
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("stubborn", os.Getpid())
		time.Sleep(time.Hour)
	case "flood":
		n, _ := strconv.Atoi(args[0])
		w := bufio.NewWriter(os.Stderr)
		for i := range n {
			fmt.Fprintf(w, "line %d\n", i)
		}
		w.Flush()
	case "long":
		fmt.Fprintf(os.Stderr, "%s\nshort\n", strings.Repeat("x", 100_000))
	case "forker": // leaves a process behind in its own session, and maybe goes on itself
		detached := exec.Command(os.Args[0], "helper", "stubborn")
		detached.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		detached.Stdout = os.Stdout
		if err := detached.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		if args[0] == "stay" {
			time.Sleep(time.Hour)
		}
	case "holder": // exits while a child of its group holds standard output open
		child := exec.Command(os.Args[0], "helper", "stubborn")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return 1
		}
	case "runner": // starts a guard at args[0] with a stage that double-forks, says so, hangs
		g, err := StartGuard(os.Args[0], args[0])
		if err != nil {
			fmt.Println("no guard:", err)
			return 1
		}
		p, err := g.Start(Command{Name: "forker", Path: os.Args[0], Args: []string{"helper", "forker", args[1]}, Env: os.Environ()})
		if err != nil {
			fmt.Println("no forker:", err)
			return 1
		}
		line, _ := bufio.NewReader(p.Stdout).ReadString('\n')
		fmt.Printf("guard %d leader %d %s", g.PID(), p.PID(), line)
		time.Sleep(time.Hour)
	}
	return 0
}

// self is a command that runs this binary as a helper.
func self(what string, args ...string) Command {
	return Command{Name: what, Path: os.Args[0], Args: append([]string{"helper", what}, args...)}
}

// alive reads the state in /proc: a zombie is dead, though kill(pid, 0) succeeds.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+2:])
	return rest[0] != 'Z' && rest[0] != 'X'
}

// dead waits until pids are dead (invariant 8), which take a moment at most on
// a machine that has nothing else to do.
func dead(t *testing.T, pids ...int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		left := []int{}
		for _, pid := range pids {
			if alive(pid) {
				left = append(left, pid)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still alive after a minute: %v", left)
		}
	}
}
