package pipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/proc"
)

const (
	schemaUsers = `{"type":"SCHEMA","stream":"users","schema":{},"key_properties":["id"]}`
	state1      = `{"type":"STATE","value":{"bookmarks":{"users":{"last":1}}}}`
	state2      = `{"type":"STATE","value":{"bookmarks":{"users":{"last":2}}}}`
)

func TestCleanRun(t *testing.T) {
	h := &heard{}
	o := runStages(t, h, player("tap-x", "say "+schemaUsers, "records 1000", "say "+state1, "records 10", "say "+state2), player("target-y", "echo"))
	if o.Failure != nil || !o.Confirmed || len(h.warns)+len(h.lines) != 0 {
		t.Fatalf("%+v %+v", o.Failure, h)
	}
	if got := fmt.Sprint(h.acks); got != `[{"bookmarks":{"users":{"last":1}}} {"bookmarks":{"users":{"last":2}}}]` {
		t.Fatal(got)
	}
	if s := o.Flow.Streams; len(s) != 1 || s[0].Stream != "users" || s[0].Rows != 1010 || s[0].Bytes == 0 || o.Flow.Lines != 1013 {
		t.Fatalf("%+v", o.Flow)
	}
}

// A windowed run purges nothing: the target hears of no table version.
func TestWindowedRunsPassOnNoActivateVersion(t *testing.T) {
	const version = `{"type":"ACTIVATE_VERSION","stream":"users","version":7}` + "\n"
	const record = `{"type":"RECORD","stream":"users","record":{"id":1,"text":"ACTIVATE_VERSION"}}` + "\n"
	text := version + schemaUsers + "\n" + record + version + version + record + `{"version":8,"stream":"users", "type": "activate_version"}` + "\n" + state1 + "\n" + version
	for _, windowed := range []bool{true, false} {
		var got sink
		h := &heard{}
		o := runChain(t, h, Chain{Windowed: windowed}, writes(text, 0), got.stage())
		want := text
		if windowed {
			want = schemaUsers + "\n" + record + record + state1 + "\n"
		}
		if got.String() != want || o.Failure != nil {
			t.Errorf("windowed %v: the target got %s", windowed, got.String())
		}
	}
}

// Whatever byte a tap dies at, the target gets whole lines only, and the tap
// is the cause.
func TestTapDiesAtEachByte(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < 1<<10; i++ {
		fmt.Fprintf(&b, `{"type":"RECORD","stream":"s%d","record":{"id":%d,"é":"\"%s"}}`+"\n", i%3, i, strings.Repeat("x", i))
	}
	text := b.String()
	for k := range len(text) + 1 {
		for _, code := range []int{1, 0} {
			var got sink
			o := runStages(t, &heard{}, writes(text[:k], code), got.stage())
			want := text[:strings.LastIndexByte(text[:k], '\n')+1]
			half := text[len(want):k]
			if code == 0 && half != "" {
				want += half + "\n" // a last line without its end, of a tap that ended well
				half = ""
			}
			if got.String() != want {
				t.Fatalf("killed at byte %d, code %d: the target got %q", k, code, got.String())
			}
			if code == 0 {
				if o.Failure != nil {
					t.Fatal(o.Failure)
				}
				continue
			}
			wantFailure(t, o, Exit, "tap-x")
			if o.Stages[0].HalfLine != len(half) {
				t.Fatalf("byte %d: half line of %d, want %d", k, o.Stages[0].HalfLine, len(half))
			}
		}
	}
}

func TestWhoIsToBlame(t *testing.T) {
	for _, c := range []struct {
		name   string
		stages []Stage
		kind   Kind
		stage  string
		code   int
	}{
		{"tap fails", []Stage{player("tap-x", "records 3", "exit 7"), player("target-y", "count")}, Exit, "tap-x", 7},
		{"tap fails, then the target over half a line", []Stage{player("tap-x", "part {", "exit 7"), player("target-y", "count", "exit 1")}, Exit, "tap-x", 7},
		{"target fails", []Stage{player("tap-x", "records 3", "sleep"), player("target-y", "read 2", "exit 5")}, Exit, "target-y", 5},
		{"target fails while the tap writes on", []Stage{player("tap-x", "records 1000000"), player("target-y", "read 2", "exit 5")}, Exit, "target-y", 5},
		{"target fails and the tap does not listen", []Stage{player("tap-x", "records 3", "hang"), player("target-y", "read 2", "exit 5")}, Exit, "target-y", 5},
		{"target ends with 0 too early", []Stage{player("tap-x", "records 3", "sleep"), player("target-y", "read 2", "exit 0")}, Early, "target-y", 0},
		{"target leaves input unread", []Stage{player("tap-x", "records 1000"), player("target-y", "read 2", "exit 0")}, -1, "target-y", 0},
		{"target stops reading", []Stage{player("tap-x", "records 1000000"), player("target-y", "close", "hang")}, Broken, "target-y", 137},
		{"mapper fails", []Stage{player("tap-x", "records 3", "sleep"), player("map", "read 1", "exit 4"), player("target-y", "count")}, Exit, "map", 4},
		{"target fails behind a mapper", []Stage{player("tap-x", "records 3", "sleep"), player("map", "cat"), player("target-y", "read 1", "exit 4")}, Exit, "target-y", 4},
		{"one stage fails", []Stage{player("fuse", "exit 3")}, Exit, "fuse", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := runStages(t, &heard{}, c.stages...)
			if c.kind == -1 { // which of the two it is depends on who is faster
				if f := o.Failure; f == nil || f.Kind != Early && f.Kind != Unread || f.Stage != c.stage {
					t.Fatalf("%+v", f)
				}
				return
			}
			wantFailure(t, o, c.kind, c.stage)
			if o.Failure.Status.Code != c.code {
				t.Fatalf("%+v", o.Failure.Status)
			}
		})
	}
}

func TestUnstartable(t *testing.T) {
	o := runStages(t, &heard{}, player("tap-x", "hang"), Stage{Command: proc.Command{Name: "target-y", Path: "/nowhere"}})
	wantFailure(t, o, NotStarted, "target-y")
}

// What a target confirms counts only if it is known (invariant 5).
func TestLyingTarget(t *testing.T) {
	for _, c := range []struct{ name, start, says, want string }{
		{"invented", ``, `{"bookmarks":{"users":{"last":9}}}`, "users"},
		{"emptied", `{"bookmarks":{"users":{"last":0}}}`, `{}`, "empty"},
		{"another stream's", ``, `{"bookmarks":{"orders":{"last":1}}}`, "orders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &heard{}
			o := Run(t.Context(), Chain{
				Host: proc.Direct{}, Events: h.events(), Start: json.RawMessage(c.start),
				Stages: []Stage{player("tap-x", "say "+state1), player("target-y", "read 1", "say "+c.says, "count")},
			})
			if o.Failure != nil || o.Confirmed || len(h.acks) != 0 || len(o.Refused) != 1 || !strings.Contains(o.Refused[0].Error(), c.want) {
				t.Fatalf("%+v %+v", o, h)
			}
		})
	}
}

func TestTargetTalk(t *testing.T) {
	h := &heard{}
	o := runStages(t, h, player("tap-x", "say "+state1), player("target-y", "say hello", `say {"broken`, "say [1]", "say 5", "part \n", "echo", "part bye"))
	if o.Failure != nil || !o.Confirmed || fmt.Sprintf("%q", h.lines) != `["hello" "{\"broken" "[1]" "5" "" "bye"]` {
		t.Fatalf("%+v %q", o.Failure, h.lines)
	}
}

// The end-of-run line reaches a built-in target only after a whole run.
func TestEndLine(t *testing.T) {
	mapper := inside("map", func(in io.Reader, out io.Writer) error { _, err := io.Copy(out, in); return err })
	for _, c := range []struct {
		name   string
		before []Stage
		want   bool
	}{
		{"tap ends well", []Stage{writes("{}\n", 0)}, true},
		{"tap fails", []Stage{writes("{}\n", 1)}, false},
		{"with a mapper", []Stage{writes("{}\n", 0), mapper}, true},
		{"tap fails before a mapper", []Stage{writes("{}\n", 1), mapper}, false},
		{"mapper reads a part", []Stage{writes(strings.Repeat("{}\n", 100), 0), inside("map", func(in io.Reader, out io.Writer) error {
			_, err := io.CopyN(out, in, 3)
			return err
		})}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got sink
			last := got.stage()
			last.BuiltIn = true
			runStages(t, &heard{}, append(c.before, last)...)
			if strings.HasSuffix(got.String(), endLine) != c.want {
				t.Fatalf("the target got %q", got.String())
			}
		})
	}
	t.Run("a foreign target", func(t *testing.T) {
		var got sink
		runStages(t, &heard{}, writes("{}\n", 0), got.stage())
		if got.String() != "{}\n" {
			t.Fatalf("%q", got.String())
		}
	})
}

func TestBuiltInMustConfirm(t *testing.T) {
	target := player("target-y", "count")
	target.BuiltIn = true
	wantFailure(t, runStages(t, &heard{}, writes(state1+"\n", 0), target), Unconfirmed, "target-y")
	o := runStages(t, &heard{}, writes(state1+"\n", 0), player("target-y", "count"))
	if o.Failure != nil || o.Confirmed {
		t.Fatalf("a foreign target: %+v", o)
	}
}

// The end of the context stops upstream first; what the tap wrote drains into
// the target, which ends by its own will.
func TestStopDrains(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	h := &heard{}
	e := h.events()
	e.Ack = func(json.RawMessage) error { cancel(errors.New("enough")); return nil }
	o := Run(ctx, Chain{
		Host: proc.Direct{}, Events: e, Grace: time.Minute,
		Stages: []Stage{player("tap-x", "say "+state1, "sleep"), player("target-y", "echo", "say drained")},
	})
	wantFailure(t, o, Stopped, "")
	if o.Stages[0].Status.Signal != syscall.SIGTERM || !o.Stages[1].Status.OK() || fmt.Sprint(h.lines) != "[drained]" {
		t.Fatalf("%+v %q", o.Stages, h.lines)
	}
}

// Nobody outlives the grace.
func TestStopKills(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := &heard{}
	e := h.events()
	e.Line = func([]byte) { cancel() }
	o := Run(ctx, Chain{
		Host: proc.Direct{}, Events: e, Grace: 150 * time.Millisecond,
		Stages: []Stage{player("tap-x", "hang"), player("map", "hang"), player("target-y", "say up", "hang")},
	})
	wantFailure(t, o, Stopped, "")
	for _, s := range o.Stages {
		if s.Status.OK() {
			t.Fatalf("%+v", s)
		}
	}
}

func TestRefusedAckEndsTheRun(t *testing.T) {
	fenced := errors.New("fenced")
	e := (&heard{}).events()
	calls := 0
	e.Ack = func(json.RawMessage) error { calls++; return fenced }
	o := Run(t.Context(), Chain{
		Host: proc.Direct{}, Events: e, Grace: time.Minute,
		Stages: []Stage{player("tap-x", "say "+state1, "say "+state2, "sleep"), player("target-y", "echo")},
	})
	wantFailure(t, o, Refused, "")
	if !errors.Is(o.Failure, fenced) || calls != 1 {
		t.Fatalf("%v, %d calls", o.Failure, calls)
	}
}

func TestStderrFloodDoesNotBlock(t *testing.T) {
	target := player("target-y", "flood 300000", "echo", "stderr the last word")
	target.Command.StderrLimit = proc.StderrLimit{Bytes: 1000}
	o := runStages(t, &heard{}, player("tap-x", "flood 300000", "say "+state1), target)
	end := o.Stages[1]
	if o.Failure != nil || !o.Confirmed || end.Dropped == 0 || end.Tail[len(end.Tail)-1] != "the last word" {
		t.Fatalf("%+v", o)
	}
}

func TestHugeLine(t *testing.T) {
	h := &heard{}
	const n = 100 << 20
	o := runStages(t, h, player("tap-x", "records 5", fmt.Sprint("long ", n), "records 5", "say "+state1), player("target-y", "count"))
	if o.Failure != nil || o.Flow.Streams[0].Rows != 11 || o.Flow.Streams[0].Bytes < n {
		t.Fatalf("%+v", o)
	}
	if want := fmt.Sprintf("lines 12 bytes %d", o.Flow.Bytes); fmt.Sprint(h.lines) != "["+want+"]" {
		t.Fatalf("%q, want %s", h.lines, want)
	}
}

func TestOddLinesPassWithOneWarning(t *testing.T) {
	text := "{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{}}\nhello\n\n[1]\n{\"x\":1}\n{\"type\":\"NEW\"}\n"
	h := &heard{}
	var got sink
	o := runStages(t, h, writes(text, 0), got.stage())
	if o.Failure != nil || got.String() != text || len(h.warns) != 1 || !strings.Contains(h.warns[0], "line 2") {
		t.Fatalf("%q %q", got.String(), h.warns)
	}
}

func TestBottleneck(t *testing.T) {
	slow := func(d time.Duration, n int) Stage {
		return inside("tap-x", func(_ io.Reader, out io.Writer) error {
			for range n {
				time.Sleep(d)
				fmt.Fprintln(out, "{}")
			}
			return nil
		})
	}
	var fast sink
	if got := runStages(t, &heard{}, slow(2*time.Millisecond, 20), fast.stage()).Flow.Bottleneck(); got != "tap-x" {
		t.Errorf("slow tap: %q", got)
	}
	lazy := inside("target-y", func(in io.Reader, _ io.Writer) error {
		b := make([]byte, 1)
		for {
			time.Sleep(time.Millisecond)
			if _, err := in.Read(b); err != nil {
				return nil
			}
		}
	})
	if got := runStages(t, &heard{}, slow(0, 20), lazy).Flow.Bottleneck(); got != "target-y" {
		t.Errorf("slow target: %q", got)
	}
}

// A target that ends well and leaves input behind has lost it, even if it
// ended after all was written.
func TestUnreadInputIsAFailure(t *testing.T) {
	r := newRun(Chain{Meter: &Meter{}})
	nothing := inside("tap-x", func(io.Reader, io.Writer) error { return nil })
	for i, spec := range []Stage{nothing, nothing} {
		s, err := startStage(nil, spec, i == 0)
		if err != nil {
			t.Fatal(err)
		}
		s.wait()
		r.stages = append(r.stages, s)
	}
	if o := r.judge(); o.Failure != nil {
		t.Fatal(o.Failure)
	}
	r.stages[1].unread = 5
	wantFailure(t, r.judge(), Unread, "tap-x")
}
