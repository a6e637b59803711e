package proc

import (
	"os"
	"syscall"
)

// Direct starts processes as children of this process. Nobody kills them
// when this process is killed; a run uses a Guard.
type Direct struct{}

// Start starts c.
func (Direct) Start(c Command) (*Process, error) { return start(c, spawnDirect) }

type directChild struct{ process *os.Process }

func spawnDirect(c Command, files [3]*os.File) (child, error) {
	p, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{
		Dir: c.Dir, Env: c.environment(), Files: files[:], Sys: ownGroup(),
	})
	if err != nil {
		return nil, err
	}
	return directChild{p}, nil
}

// environment is never nil: nil would mean "inherit ours" (invariant 10).
func (c Command) environment() []string {
	if c.Env == nil {
		return []string{}
	}
	return c.Env
}

func (d directChild) pid() int { return d.process.Pid }

func (d directChild) wait() Status {
	state, err := d.process.Wait()
	if err != nil {
		return Status{Code: -1, Err: err}
	}
	return statusOf(state)
}

func (d directChild) signal(sig syscall.Signal, reaped bool) { signalGroup(d.process.Pid, sig, reaped) }
