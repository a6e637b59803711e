package proc

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// signalGroup can only end the process itself here: Windows has no SIGTERM,
// and a tree of processes would need a job object.
func signalGroup(pid int, _ syscall.Signal, reaped bool) {
	if reaped {
		return
	}
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill()
		p.Release()
	}
}

func statusOf(state *os.ProcessState) Status {
	return Status{Code: state.ExitCode(), CPU: state.UserTime() + state.SystemTime()}
}

// Running says whether there is a process with this id.
func Running(pid int) bool {
	p, err := os.FindProcess(pid) // opens the process, here
	if err == nil {
		p.Release()
	}
	return err == nil
}

// readNow is never reached: a pipe has no deadline here.
func readNow(*os.File, []byte) (int, error) { return 0, syscall.EAGAIN }
