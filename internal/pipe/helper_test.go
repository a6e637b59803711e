package pipe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elt/internal/proc"
)

// The test binary is also every process that the tests start: its arguments
// are a script, one step each.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		play(os.Args[2:])
		syscall.Exit(0) // not os.Exit, in which the race detector sleeps for a second
	}
	goleak.VerifyTestMain(m)
}

func play(steps []string) {
	in := bufio.NewReaderSize(os.Stdin, 16)
	out := bufio.NewWriter(os.Stdout)
	for _, step := range steps {
		verb, arg, _ := strings.Cut(step, " ")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "say":
			fmt.Fprintln(out, arg)
		case "part":
			fmt.Fprint(out, arg)
		case "records":
			for i := range n {
				fmt.Fprintf(out, `{"type":"RECORD","stream":"users","record":{"id":%d}}`+"\n", i)
			}
		case "wide":
			block := records(`{"type":"RECORD","stream":"users","record":%s}`, 2000)
			for range n / 2000 {
				os.Stdout.Write(block)
			}
		case "drain":
			io.Copy(writerFunc(func(b []byte) (int, error) { return len(b), nil }), os.Stdin)
		case "long":
			fmt.Fprintf(out, `{"type":"RECORD","stream":"users","record":{"pad":"%s"}}`+"\n", strings.Repeat("x", n))
		case "stderr":
			fmt.Fprintln(os.Stderr, arg)
		case "flood":
			w := bufio.NewWriter(os.Stderr)
			for i := range n {
				fmt.Fprintln(w, "noise", i)
			}
			w.Flush()
		case "read":
			for range n {
				in.ReadString('\n')
			}
		case "echo": // acknowledges every STATE
			for {
				line, err := in.ReadBytes('\n')
				var m struct {
					Type  string          `json:"type"`
					Value json.RawMessage `json:"value"`
				}
				if json.Unmarshal(line, &m) == nil && m.Type == "STATE" {
					fmt.Fprintf(out, "%s\n", m.Value)
					out.Flush()
				}
				if err != nil {
					break
				}
			}
		case "count":
			c := 0
			n, _ := io.Copy(writerFunc(func(b []byte) (int, error) { c += bytes.Count(b, []byte{'\n'}); return len(b), nil }), in)
			fmt.Fprintln(out, "lines", c, "bytes", n)
		case "cat":
			out.Flush()
			io.Copy(os.Stdout, in)
		case "hang":
			out.Flush()
			signal.Ignore(syscall.SIGTERM)
			time.Sleep(time.Hour)
		case "sleep":
			out.Flush()
			time.Sleep(time.Hour)
		case "close":
			os.Stdin.Close()
		case "exit":
			out.Flush()
			os.Exit(n)
		}
		out.Flush()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// player is a stage that plays a script in a process.
func player(name string, steps ...string) Stage {
	return Stage{Command: proc.Command{
		Name: name, Path: os.Args[0], Args: append([]string{"play"}, steps...), Linger: 100 * time.Millisecond,
	}}
}

// inside is a stage that is a function.
func inside(name string, f func(in io.Reader, out io.Writer) error) Stage {
	return Stage{
		Command: proc.Command{Name: name},
		Func:    func(_ context.Context, in io.Reader, out io.Writer) error { return f(in, out) },
	}
}

// writes is a tap that writes text and ends with a code.
func writes(text string, code int) Stage {
	return inside("tap-x", func(_ io.Reader, out io.Writer) error {
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
		if code != 0 {
			return ExitCode(code)
		}
		return nil
	})
}

// sink is a target that keeps what it reads.
type sink struct{ bytes.Buffer }

func (s *sink) stage() Stage {
	return inside("target-y", func(in io.Reader, _ io.Writer) error {
		_, err := s.ReadFrom(in)
		return err
	})
}

// heard collects events.
type heard struct {
	mu                          sync.Mutex
	schemas, acks, lines, warns []string
}

func (h *heard) events() Events {
	add := func(list *[]string, text string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		*list = append(*list, text)
	}
	return Events{
		Schema: func(stream string, _ json.RawMessage) { add(&h.schemas, stream) },
		Ack:    func(v json.RawMessage) error { add(&h.acks, string(v)); return nil },
		Line:   func(b []byte) { add(&h.lines, string(b)) },
		Warn:   func(text string) { add(&h.warns, text) },
	}
}

// runStages runs a chain, which must end by itself.
func runStages(t *testing.T, h *heard, stages ...Stage) Outcome {
	t.Helper()
	return runChain(t, h, Chain{}, stages...)
}

func runChain(t *testing.T, h *heard, c Chain, stages ...Stage) Outcome {
	t.Helper()
	c.Host, c.Stages, c.Events, c.Grace = proc.Direct{}, stages, h.events(), 300*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	o := Run(ctx, c)
	if ctx.Err() != nil {
		t.Fatalf("the chain had not ended after three minutes and was stopped: %+v", o.Failure)
	}
	return o
}

func wantFailure(t *testing.T, o Outcome, kind Kind, stage string) {
	t.Helper()
	if o.Failure == nil || o.Failure.Kind != kind || o.Failure.Stage != stage {
		t.Fatalf("failure %+v, want kind %d of %q", o.Failure, kind, stage)
	}
	if o.Failure.Error() == "" {
		t.Fatal("a failure without words")
	}
}
