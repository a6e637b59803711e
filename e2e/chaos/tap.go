// Package chaos is two third-party plugins that do what their configuration
// says, also what no plugin should: hang, flood, lie, die. They speak plain
// Singer and know nothing of elt.
package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// step is one thing that tap-chaos does.
type step struct {
	Emit    json.RawMessage `json:"emit"`    // a message, as one line
	Raw     *string         `json:"raw"`     // any line
	Partial *string         `json:"partial"` // text without a line end
	Records *records        `json:"records"`
	Days    *days           `json:"days"`
	Stderr  *noise          `json:"stderr"`
	Touch   string          `json:"touch"` // make a file
	Wait    string          `json:"wait"`  // until a file is there
	Hang    bool            `json:"hang"`
	Deaf    bool            `json:"deaf"`   // ignore SIGTERM
	Orphan  string          `json:"orphan"` // a grandchild in its own session; its pid goes into this file
	Exit    *int            `json:"exit"`
}

// records are rows id, text of one stream; those below the bookmark are left out.
type records struct {
	Stream     string `json:"stream"`
	To         int    `json:"to"`
	Pad        int    `json:"pad"`
	StateEvery int    `json:"state_every"`
	Keyless    bool   `json:"keyless"`
}

type noise struct {
	Text  string `json:"text"`
	Times int    `json:"times"`
}

type tapConfig struct {
	Steps []step `json:"steps"`
	// OnlyOnce: steps after the first start; nil is Steps again.
	Again []step `json:"again"`
	// Catalog is what --discover prints.
	Catalog json.RawMessage `json:"catalog"`
	// Start and End are the window of the step days.
	Start string `json:"start_date"`
	End   string `json:"end_date"`
}

// Tap is the program tap-chaos.
func Tap() {
	var cfg tapConfig
	readJSON(flag("--config"), &cfg)
	state := map[string]any{}
	readJSON(flag("--state"), &state)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	if has("--discover") {
		if cfg.Catalog == nil {
			cfg.Catalog = json.RawMessage(`{"streams":[]}`)
		}
		fmt.Fprintf(out, "%s\n", cfg.Catalog)
		out.Flush()
		return
	}
	steps := cfg.Steps
	if cfg.Again != nil && startedBefore("tap-chaos.started") {
		steps = cfg.Again
	}
	for _, s := range steps {
		if s.Days != nil {
			s.Days.write(out, cfg.Start, cfg.End)
		}
		s.do(out, state)
	}
	out.Flush()
}

func (s step) do(out *bufio.Writer, state map[string]any) {
	switch {
	case s.Emit != nil:
		fmt.Fprintf(out, "%s\n", s.Emit)
	case s.Raw != nil:
		fmt.Fprintln(out, *s.Raw)
	case s.Partial != nil:
		fmt.Fprint(out, *s.Partial)
	case s.Records != nil:
		s.Records.write(out, state)
	case s.Stderr != nil:
		for range max(1, s.Stderr.Times) {
			fmt.Fprintln(os.Stderr, s.Stderr.Text)
		}
	}
	if s.Records == nil {
		out.Flush()
	}
	switch {
	case s.Touch != "":
		must(os.WriteFile(s.Touch, nil, 0o644))
	case s.Wait != "":
		waitFor(s.Wait)
	case s.Deaf:
		ignoreTerm()
	case s.Orphan != "":
		orphan(s.Orphan)
	case s.Hang:
		time.Sleep(time.Hour)
	case s.Exit != nil:
		out.Flush()
		os.Exit(*s.Exit)
	}
}

func (r *records) write(out *bufio.Writer, state map[string]any) {
	keys := `["id"]`
	if r.Keyless {
		keys = `[]`
	}
	fmt.Fprintf(out, `{"type":"SCHEMA","stream":%q,"key_properties":%s,"schema":{"type":"object","properties":{"id":{"type":"integer"},"text":{"type":["null","string"]}}}}`+"\n", r.Stream, keys)
	from := 1
	if marks, ok := state["bookmarks"].(map[string]any); ok {
		if mark, ok := marks[r.Stream].(map[string]any); ok {
			if id, ok := mark["id"].(float64); ok {
				from = int(id) + 1
			}
		}
	}
	pad := strings.Repeat("x", r.Pad)
	for id := from; id <= r.To; id++ {
		fmt.Fprintf(out, `{"type":"RECORD","stream":%q,"record":{"id":%d,"text":"row %d%s"}}`+"\n", r.Stream, id, id, pad)
		if r.StateEvery > 0 && id%r.StateEvery == 0 || id == r.To {
			fmt.Fprintf(out, `{"type":"STATE","value":{"bookmarks":{%q:{"id":%d}}}}`+"\n", r.Stream, id)
			out.Flush()
		}
	}
	out.Flush()
}

// orphan starts a process that leaves our group and session, as daemons do.
func orphan(file string) {
	sleep := exec.Command("sleep", "3600")
	sleep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(sleep.Start())
	must(os.WriteFile(file, []byte(strconv.Itoa(sleep.Process.Pid)), 0o644))
}

func startedBefore(file string) bool {
	_, err := os.Stat(file)
	if err != nil {
		must(os.WriteFile(file, nil, 0o644))
	}
	return err == nil
}

func waitFor(file string) {
	for range 6000 {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "chaos: waited a minute for", file)
	os.Exit(99)
}

func flag(name string) string {
	for i, a := range os.Args {
		if a == name && i+1 < len(os.Args) {
			return os.Args[i+1]
		}
	}
	return ""
}

func has(name string) bool {
	for _, a := range os.Args {
		if a == name {
			return true
		}
	}
	return false
}

func readJSON(file string, into any) {
	if file == "" {
		return
	}
	raw, err := os.ReadFile(file)
	must(err)
	must(json.Unmarshal(raw, into))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(98)
	}
}
