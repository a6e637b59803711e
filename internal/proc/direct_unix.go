//go:build unix

package proc

import (
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
