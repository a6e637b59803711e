package runner

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/proc"
	"elt/internal/project"
)

// Check tries a plugin out and hands each check's result to tell. A built-in
// connector checks itself, in a process as in a run, and its selected streams
// are read; of a foreign tap a first record is wanted, as by Meltano's
// `config test`; a foreign target is left alone, for it would have to write.
// The error says that the checks could not be made.
func (r *Runner) Check(ctx context.Context, p *project.Plugin, patience time.Duration, tell func(check.Result)) error {
	report := check.NewReport(patience, tell)
	if p.Kind != project.Extractors && p.Kind != project.Loaders {
		return nil
	}
	alone, err := r.alone(p.Name)
	if err != nil {
		return err
	}
	defer alone.close()
	stage, cmd, err := r.invocation(ctx, p, "", nil, alone.folder)
	switch {
	case ctx.Err() != nil:
		return err
	case fault.CodeOf(err) == fault.PluginMissing:
		report.Add("plugin", "", err)
		return nil
	case err != nil:
		report.Add("settings", "", err)
		return nil
	case !stage.Choice.Native && p.Kind == project.Extractors:
		report.Do(ctx, "record", func(ctx context.Context) (string, error) { return "", r.Probe(ctx, p) })
		return nil
	case !stage.Choice.Native:
		return nil
	}
	cmd.Stderr, cmd.NoStdin = speaker(alone.log.With().Str("plugin", p.Name).Logger()), true
	flag := "--check=" + report.Patience.String()
	passed, err := checked(ctx, cmd, flag, tell)
	if err != nil || !passed || p.Kind != project.Extractors {
		return err
	}
	more, err := r.catalogArgs(ctx, stage, alone)
	if err != nil {
		report.Add("catalog", "", err)
		return ctx.Err()
	}
	cmd.Args = append(cmd.Args[:len(cmd.Args):len(cmd.Args)], more...)
	_, err = checked(ctx, cmd, flag, tell)
	return err
}

// checked runs a connector under --check and says whether all checks passed.
func checked(ctx context.Context, cmd proc.Command, flag string, tell func(check.Result)) (bool, error) {
	cmd.Args = append(cmd.Args[:len(cmd.Args):len(cmd.Args)], flag)
	p, err := proc.Direct{}.Start(cmd)
	if err != nil {
		return false, err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, p.Kill)()
	failed := false
	for d := json.NewDecoder(p.Stdout); ; {
		var result check.Result
		if d.Decode(&result) != nil {
			break
		}
		failed = failed || !result.Passed
		tell(result)
	}
	io.Copy(io.Discard, p.Stdout)
	status := p.Wait()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if !status.OK() && !failed {
		return false, fault.New(fault.Failed, "%s broke off its checks: %s", cmd.Name, status).WithHint("%s", lastWords(p.Tail()))
	}
	return !failed, nil
}
