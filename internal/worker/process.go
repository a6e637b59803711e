package worker

import (
	"context"
	"io"
	"slices"
	"time"

	"elt/internal/proc"
	"elt/state"
)

// Processes is the executor whose runs are children of the worker's guard: if
// the worker is killed, the guard ends them (invariant 8).
type Processes struct {
	Host proc.Host
	// Command is the process of an execution, without its output.
	Command func(state.Execution) (proc.Command, error)
}

// Mark is the variable that names the execution to its run.
const Mark = "ELT_RUN_EXECUTION"

// Outlives implements Executor.
func (Processes) Outlives() bool { return false }

// Start implements Executor.
func (x Processes) Start(_ context.Context, e state.Execution, log *Log) (Run, error) {
	command, err := x.Command(e)
	if err != nil {
		return nil, err
	}
	command.NoStdin, command.Stderr = true, log.Line
	mark := Mark + "=" + e.ID
	command.Env = append(slices.Clone(command.Env), mark)
	p, err := x.Host.Start(command)
	if err != nil {
		return nil, err
	}
	r := &process{Process: p, mark: mark, copied: make(chan struct{})}
	go func() {
		defer close(r.copied)
		_, _ = io.Copy(log, p.Stdout)
	}()
	return r, nil
}

// process is a child process.
type process struct {
	*proc.Process
	mark   string        // an entry of its environment, and of all that it starts
	copied chan struct{} // closed when its standard output has ended
}

func (r *process) Ended() <-chan struct{} { return r.Exited() }

func (r *process) Outcome() Outcome {
	<-r.copied
	status := r.Wait()
	r.Close()
	_ = proc.KillLeft(r.mark) // what left its process group (invariant 8)
	out := Outcome{Code: status.Code, Tail: r.Tail()}
	if !status.OK() {
		out.How = status.String()
	}
	return out
}

func (r *process) Stop(grace time.Duration) {
	r.Process.Stop(grace)
	_ = proc.KillLeft(r.mark)
}

func (r *process) Abandon() { r.Kill() }
