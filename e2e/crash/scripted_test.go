package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// flagValue is the value that follows a flag.
func flagValue(args []string, name string) string {
	for i, a := range args {
		if a == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func readJSON(path string, into any) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// scriptedTap is a plain Singer tap: ids from the bookmark on, a STATE every
// hundred records, a pause after each.
func scriptedTap(args []string) int {
	var config struct {
		Keyed bool
		Total int
	}
	var state struct{ Last int }
	if err := readJSON(flagValue(args, "--config"), &config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := readJSON(flagValue(args, "--state"), &state); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	keys := `[]`
	if config.Keyed {
		keys = `["id"]`
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, `{"type":"SCHEMA","stream":"orders","key_properties":%s,"schema":{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":["null","string"]}}}}`+"\n", keys)
	for id := state.Last + 1; id <= config.Total; id++ {
		fmt.Fprintf(out, `{"type":"RECORD","stream":"orders","record":{"id":%d,"name":"customer %d"}}`+"\n", id, id)
		if id%100 == 0 || id == config.Total {
			fmt.Fprintf(out, `{"type":"STATE","value":{"last":%d}}`+"\n", id)
			if out.Flush() != nil {
				return 1
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return 0
}

// scriptedTarget is a plain Singer target: it appends records to a file,
// makes them durable at each STATE, and only then echoes it.
func scriptedTarget(args []string) int {
	f, err := os.OpenFile("scripted.jsonl", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var m struct {
			Type          string
			Record, Value json.RawMessage
		}
		if json.Unmarshal(line, &m) != nil {
			return 1
		}
		switch m.Type {
		case "RECORD":
			fmt.Fprintf(f, "%s\n", m.Record)
		case "STATE":
			if f.Sync() != nil {
				return 1
			}
			fmt.Printf("%s\n", m.Value)
		}
	}
}
