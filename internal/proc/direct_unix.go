//go:build unix

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup reaches every member of the group that pid leads or led. A
// group's number is given to no new process while the group has a member, so
// once the leader is reaped a living process of that number is a stranger.
func signalGroup(pid int, sig syscall.Signal, reaped bool) {
	if reaped && syscall.Kill(pid, 0) != syscall.ESRCH {
		return
	}
	syscall.Kill(-pid, sig)
}

func statusOf(state *os.ProcessState) Status {
	ws := state.Sys().(syscall.WaitStatus)
	usage, _ := state.SysUsage().(*syscall.Rusage)
	return waitStatus(ws, usage)
}

func waitStatus(ws syscall.WaitStatus, usage *syscall.Rusage) Status {
	s := Status{Code: ws.ExitStatus()}
	if ws.Signaled() {
		s.Signal, s.Code = ws.Signal(), 128+int(ws.Signal())
	}
	if usage != nil {
		s.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		s.MaxRSS = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			s.MaxRSS <<= 10 // KiB everywhere else
		}
	}
	return s
}

// Running says whether there is a process with this id. A zombie, whose
// parent has not taken note of its end yet, runs no more.
func Running(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := bytes.Cut(stat, []byte(") "))
	return err != nil || !found || !bytes.HasPrefix(rest, []byte("Z"))
}

// readNow reads what a pipe holds and waits for nothing: EAGAIN says that it
// is empty, io.EOF that nobody can write any more.
func readNow(f *os.File, b []byte) (n int, err error) {
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	tried := raw.Read(func(fd uintptr) bool {
		for n, err = syscall.Read(int(fd), b); err == syscall.EINTR; {
			n, err = syscall.Read(int(fd), b)
		}
		return true
	})
	switch {
	case tried != nil:
		return 0, tried
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
