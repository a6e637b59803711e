package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"elt/internal/fault"
	"elt/internal/load"
	"elt/internal/proc"
	"elt/internal/singer"
)

// claimed is a built-in target (or fused pair) that has claimed its
// destination and waits for rows.
type claimed struct {
	process *proc.Process
	reply   load.ClaimReply
}

// opened is a built-in target (or fused pair) that was started.
type opened struct {
	process *proc.Process
	out     *bufio.Reader // its standard output
	there   destination   // what the store knows of it
	over    bool          // it has ended
}

func newOpened(p *proc.Process, there destination) *opened {
	return &opened{process: p, out: bufio.NewReaderSize(p.Stdout, 64<<10), there: there}
}

// discover is what a fused pair's tap finds, as `--discover` prints it.
func (o *opened) discover(ctx context.Context, tap *Stage) ([]byte, error) {
	defer context.AfterFunc(ctx, o.process.Kill)()
	line, err := o.out.ReadBytes('\n')
	found, ours := bytes.CutPrefix(line, []byte(load.CatalogLine))
	switch {
	case err == nil && ours && len(found) > 1:
		return found, nil
	case err == nil && !ours:
		err = fmt.Errorf("its first line is no catalog: %.200q", line)
	case err == nil: // it fails, and says why
		err = io.EOF
	}
	name := o.process.Name()
	if ours {
		name = tap.Plugin.Name
	}
	o.over = true
	return nil, startFailed(ctx, o.process, name, "discover the streams", err)
}

// hand gives a fused pair its catalog, nil for none; without it the pair
// claims nothing. A pair that has ended says so by its output.
func (o *opened) hand(c *singer.Catalog) error {
	text := []byte("null")
	if c != nil {
		var err error
		if text, err = c.Print(); err != nil {
			return err
		}
	}
	if _, err := o.process.Stdin.Write(text); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("hand over the catalog: %w", err)
	}
	return o.process.Stdin.Close()
}

// abandon ends a fused pair that has claimed nothing.
func (o *opened) abandon() {
	if o.over {
		return
	}
	o.process.Kill()
	go io.Copy(io.Discard, o.process.Stdout)
	o.process.Wait() // before its input ends, of which it would complain
	o.process.Close()
}

// awaitClaim reads the line by which a built-in target says what it found
// (invariant 3). The tap starts only after that: a dead run's open
// transaction is waited for at the destination, not here.
func awaitClaim(ctx context.Context, o *opened) (*claimed, error) {
	p := o.process
	stop := context.AfterFunc(ctx, p.Terminate)
	defer stop()
	line, err := o.out.ReadBytes('\n')
	c := &claimed{process: p}
	if err == nil {
		err = json.Unmarshal(line, &c.reply)
		if err == nil && c.reply.Type != load.TypeClaim {
			err = fmt.Errorf("its first line is no claim: %.200q", line)
		}
	}
	if err != nil {
		return nil, startFailed(ctx, p, p.Name(), "claim its destination", err)
	}
	p.Stdout = o.out
	return c, nil
}

// startFailed ends a process that did not do what comes first, and says why:
// io.EOF means that it ends by itself.
func startFailed(ctx context.Context, p *proc.Process, name, what string, err error) error {
	go io.Copy(io.Discard, p.Stdout)
	if err != io.EOF {
		p.Kill()
	}
	if p.Stdin != nil {
		p.Stdin.Close()
	}
	status := p.Wait()
	p.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == io.EOF {
		if said := ownWords(name, status, p.Tail()); said != nil {
			return said
		}
		return endedWith(name+" did not start: "+status.String(), status, p.Tail())
	}
	return fault.Wrap(fault.Failed, err, "%s did not %s", name, what)
}

// endedWith is a failure of a plugin, with its last words.
func endedWith(msg string, status proc.Status, tail []string) *fault.Error {
	return fault.New(codeOf(status), "%s", msg).WithHint("%s", lastWords(tail))
}

// codeOf keeps the meaning of a built-in connector's own exit codes.
func codeOf(status proc.Status) fault.Code {
	if c := fault.Code(status.Code); c >= fault.AlreadyRunning && c <= fault.LimitReached {
		return c
	}
	return fault.Failed
}

// ownWords is the error that a built-in connector ended with, as it said it;
// nil when it had no time to say one.
func ownWords(name string, status proc.Status, tail []string) error {
	from := len(tail) - 1
	for from >= 0 && !strings.HasPrefix(tail[from], "Error: ") {
		from--
	}
	if from < 0 {
		return nil
	}
	text := strings.TrimPrefix(strings.Join(tail[from:], "\n"), "Error: ")
	text, hint, found := strings.Cut(text, "\nhint: ")
	err := fault.New(codeOf(status), "%s: %s", name, strings.TrimPrefix(text, name+": "))
	if found {
		return err.WithHint("%s", hint)
	}
	return err
}

// prestarted is a Host for a pipe one of whose stages runs already.
type prestarted struct {
	proc.Host
	*claimed
}

// Start hands out the claimed process for its own command.
func (h prestarted) Start(c proc.Command) (*proc.Process, error) {
	if h.claimed != nil && c.Name == h.process.Name() {
		return h.process, nil
	}
	return h.Host.Start(c)
}
