package cli

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"

	"elt/internal/secret"
)

// IOStreams are standard input, output and error; results go to Out, talk to Err.
type IOStreams struct {
	In       io.Reader
	Out, Err io.Writer
	InTTY    bool
	OutTTY   bool
	// Terminal is standard error where it is a terminal, for what is drawn
	// again and again; nothing that may hold a secret is drawn there.
	Terminal *os.File
	Color    bool
}

// System are the process's own streams. Standard error is masked by r
// (invariant 10); standard output is not: commands decide what they print.
func System(environ []string, r *secret.Redactor) *IOStreams {
	io := &IOStreams{
		In: os.Stdin, Out: os.Stdout, Err: r.Writer(os.Stderr),
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
	}
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		io.Color = true
		if width > 0 {
			io.Terminal = os.Stderr
		}
	}
	for _, kv := range environ {
		switch {
		case len(kv) > len("NO_COLOR=") && kv[:len("NO_COLOR=")] == "NO_COLOR=":
			io.Color = false
		case len(kv) > len("FORCE_COLOR=") && kv[:len("FORCE_COLOR=")] == "FORCE_COLOR=":
			io.Color = true
		}
	}
	return io
}

// Test are streams over buffers.
func Test(in string) (streams *IOStreams, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: bytes.NewBufferString(in), Out: out, Err: err}, out, err
}
