package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"elt/internal/fault"
	"elt/internal/proc"
	"elt/internal/project"
)

// Probe tries a plugin with its settings, as `elt config test` does: a tap
// must emit a record, a target must take a few messages.
func (r *Runner) Probe(ctx context.Context, p *project.Plugin) error {
	alone, err := r.alone(p.Name)
	if err != nil {
		return err
	}
	defer alone.close()
	stage, cmd, err := r.invocation(ctx, p, "", nil, alone.folder)
	if err != nil {
		return err
	}
	cmd.Stderr = speaker(alone.log.With().Str("plugin", p.Name).Logger())
	switch p.Kind {
	case project.Extractors:
		extra, err := r.catalogArgs(ctx, stage, alone)
		if err != nil {
			return err
		}
		cmd.Args, cmd.NoStdin = append(cmd.Args, extra...), true
		return probeTap(ctx, cmd)
	case project.Loaders:
		return probeTarget(ctx, cmd, p.Can("activate-version"))
	}
	return fault.New(fault.Failed, "only taps and targets can be tested, %s is of the kind %s", p.Name, p.Kind.Singular())
}

// probeTap runs a tap up to its first RECORD or BATCH.
func probeTap(ctx context.Context, cmd proc.Command) error {
	p, err := proc.Direct{}.Start(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, p.Kill)()
	lines := bufio.NewReaderSize(p.Stdout, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		var message struct{ Type string }
		if json.Unmarshal(line, &message) == nil && (message.Type == "RECORD" || message.Type == "BATCH") {
			p.Kill()
			p.Wait()
			return nil
		}
		if err != nil {
			break
		}
	}
	status := p.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !status.OK() {
		return fault.New(fault.Failed, "%s failed before it emitted a record: %s", cmd.Name, status).WithHint("%s", lastWords(p.Tail()))
	}
	return fault.New(fault.Failed, "%s emitted no record", cmd.Name).WithHint("is any stream selected that has rows?")
}

const probeStream = "meltano_test_stream"

// probeTarget feeds a target a small stream.
func probeTarget(ctx context.Context, cmd proc.Command, activate bool) error {
	p, err := proc.Direct{}.Start(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, p.Kill)()
	messages := []string{
		`{"type":"SCHEMA","stream":"` + probeStream + `","schema":{"type":"object","properties":{"id":{"type":"integer"},"value":{"type":"string"}}},"key_properties":["id"]}`,
		`{"type":"RECORD","stream":"` + probeStream + `","record":{"id":1,"value":"test"},"version":1}`,
	}
	if activate {
		messages = append(messages, `{"type":"ACTIVATE_VERSION","stream":"`+probeStream+`","version":1}`)
	}
	messages = append(messages, `{"type":"STATE","value":{"bookmarks":{"`+probeStream+`":{}}}}`)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, p.Stdout)
	}()
	var writing error
	for _, m := range messages {
		if _, err := fmt.Fprintln(p.Stdin, m); err != nil {
			writing = errors.Join(writing, err)
			break
		}
	}
	p.Stdin.Close()
	status := p.Wait()
	<-drained
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !status.OK():
		return endedWith(fmt.Sprintf("%s failed: %s", cmd.Name, status), status, p.Tail())
	case writing != nil:
		return fault.Wrap(fault.Failed, writing, "%s did not read its input", cmd.Name)
	}
	return nil
}
