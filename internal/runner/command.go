package runner

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

// runCommand runs a plugin, or one of its commands, on its own; what it says
// on either output becomes log lines.
func (r *Runner) runCommand(ctx context.Context, runID string, block *project.CommandBlock) (rep *BlockReport, err error) {
	name := commandName(block)
	rep = &BlockReport{RunID: runID, Name: name, Job: block.Job, Started: time.Now(), Status: state.Running}
	rep.LogPath = r.logFile(name, runID)
	log, err := r.openLog(rep.LogPath, runID)
	if err != nil {
		return rep, err
	}
	defer log.close()
	defer func() { log.end(name, err) }()
	if err := sweep(r.folders(name), time.Now()); err != nil {
		log.all.Warn().Err(err).Msg("files of a dead run are left behind")
	}
	f, err := newFolder(r.folders(name), runID)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	g, err := r.guard(f) // before the configuration is written: who sweeps looks for its lock
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	stage, cmd, err := r.invocation(ctx, block.Plugin, block.Command, nil, f)
	if err != nil {
		return rep, err
	}
	rep.Plugins = []PluginReport{NewPluginReport(stage.Choice)}
	say := speaker(log.all.With().Str("plugin", block.Plugin.Name).Logger())
	cmd.Stderr, cmd.NoStdin = say, true
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], f.mark())
	p, err := g.Start(cmd)
	if err != nil {
		return rep, err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { p.Stop(r.Grace) })
	defer stop()
	sayAll(p.Stdout, say)
	status := p.Wait()
	rep.ExitCodes = map[string]int{name: status.Code}
	rep.Seconds = rep.elapsed()
	switch {
	case ctx.Err() != nil:
		return rep, context.Cause(ctx)
	case !status.OK():
		return rep, fault.New(fault.Failed, "%s failed: %s", name, status).WithHint("%s", lastWords(p.Tail()))
	}
	rep.Status = state.Succeeded
	return rep, nil
}

// sayAll hands lines on, of any length, to the end.
func sayAll(out io.Reader, say func([]byte)) {
	lines := bufio.NewReaderSize(out, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			say(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
