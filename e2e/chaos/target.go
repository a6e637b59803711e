package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type targetConfig struct {
	Path string `json:"path"` // records are appended here, one per line; "" is nowhere
	// State: "each" (default) prints every STATE once it is written, "end"
	// only the last, "never" none, "lie" one that no tap sent, "empty" {}.
	State     string `json:"state"`
	ExitAfter int    `json:"exit_after"` // lines, then exit with Exit
	HangAfter int    `json:"hang_after"`
	Exit      int    `json:"exit"`
	Again     *int   `json:"again"` // ExitAfter of all starts after the first
	Touch     string `json:"touch"` // a file made after the first line
	Wait      string `json:"wait"`  // a file waited for after the first line
	Noise     int    `json:"noise"` // lines on standard error per line read
	Orphan    string `json:"orphan"`
	Deaf      bool   `json:"deaf"`
}

// Target is the program target-chaos.
func Target() {
	var cfg targetConfig
	readJSON(flag("--config"), &cfg)
	if cfg.Again != nil && startedBefore("target-chaos.started") {
		cfg.ExitAfter, cfg.Exit = *cfg.Again, 0
	}
	if cfg.Deaf {
		ignoreTerm()
	}
	if cfg.Orphan != "" {
		orphan(cfg.Orphan)
	}
	out := io.Discard
	if cfg.Path != "" {
		f, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		must(err)
		defer f.Close()
		out = f
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	var last json.RawMessage
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		must(err)
		var m struct {
			Type   string
			Record json.RawMessage
			Value  json.RawMessage
		}
		must(json.Unmarshal(line, &m))
		switch m.Type {
		case "RECORD":
			_, err := fmt.Fprintf(out, "%s\n", m.Record)
			must(err)
		case "STATE":
			last = m.Value
			cfg.state(m.Value)
		}
		cfg.misbehave(n)
	}
	if cfg.State == "end" && last != nil {
		fmt.Printf("%s\n", last)
	}
	os.Exit(cfg.Exit)
}

func (c targetConfig) state(value json.RawMessage) {
	switch c.State {
	case "", "each":
		fmt.Printf("%s\n", value)
	case "lie":
		fmt.Println(`{"bookmarks":{"invented":{"id":1000000}}}`)
	case "empty":
		fmt.Println(`{}`)
	}
}

func (c targetConfig) misbehave(n int) {
	for range c.Noise {
		fmt.Fprintln(os.Stderr, "target-chaos says something at length so that a pipe fills up")
	}
	if n == 1 && c.Touch != "" {
		must(os.WriteFile(c.Touch, nil, 0o644))
	}
	if n == 1 && c.Wait != "" {
		waitFor(c.Wait)
	}
	if n == c.ExitAfter {
		os.Exit(c.Exit)
	}
	if n == c.HangAfter {
		time.Sleep(time.Hour)
	}
}

func ignoreTerm() { signal.Ignore(syscall.SIGTERM) }
