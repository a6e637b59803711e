package jsonl

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/taps"
	"elt/taps/taptest"

	"github.com/klauspost/compress/zstd"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// serve runs the tap as a process would and returns its records and last state.
func serve(t *testing.T, config, state string) (records []string, last string, err error) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--config", write(t, filepath.Join(dir, "config.json"), config)}
	if state != "" {
		args = append(args, "--state", write(t, filepath.Join(dir, "state.json"), state))
	}
	var out, errs bytes.Buffer
	err = taps.Serve(t.Context(), New(), args, taps.IO{Out: &out, Err: &errs}, nil)
	for line := range strings.Lines(out.String()) {
		var m struct {
			Type          string
			Record, Value json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case "RECORD":
			records = append(records, string(m.Record))
		case "STATE":
			last = string(m.Value)
		}
	}
	return records, last, err
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("records\n%s\nwant\n%s", g, w)
	}
}

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	events := write(t, filepath.Join(dir, "events.jsonl"), `{"id":1,"amount":12.50,"at":"2024-02-29T00:00:00Z","tags":["a"],"who":{"n":1}}`+"\n"+`{"id":2,"amount":3,"at":"2024-03-01T00:00:00Z","late":true}`+"\n")
	taptest.Run(t, New(), map[string]any{"infer": true, "add_file_columns": true, "files": []any{map[string]any{"entity": "events", "path": events, "keys": []any{"id"}}}},
		taptest.Expect{Rows: map[string]int{"events": 2}, Resumed: map[string]int{"events": 0}})
}

func TestValuesArriveAsTheyStand(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.jsonl", `{"big":123456789012345678901234567890,"d":1.10,"s":"é \u0000 \"","o":{"b":2.50,"a":[1,"1"]},"mix":1}`+"\n\n"+`{"mix":"1","new":"last record"}`)
	got, _, err := serve(t, `{"files":[{"entity":"a","path":"a.jsonl"}]}`, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"big":123456789012345678901234567890,"d":1.10,"s":"é \u0000 \"","o":{"b":2.50,"a":[1,"1"]},"mix":1,"new":null}`,
		`{"big":null,"d":null,"s":null,"o":null,"mix":"1","new":"last record"}`)
}

func TestGrownFileGoesOn(t *testing.T) {
	t.Chdir(t.TempDir())
	config := `{"files":[{"entity":"a","path":"*.jsonl"}]}`
	write(t, "a.jsonl", "{\"n\":1}\n")
	_, state, err := serve(t, config, "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "a.jsonl", "{\"n\":1}\n{\"n\":2}\n")
	got, state, err := serve(t, config, state)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"n":2}`)
	var zst bytes.Buffer
	z, _ := zstd.NewWriter(&zst)
	z.Write([]byte("{\"n\":3}\n"))
	z.Close()
	write(t, "b.jsonl", zst.String())
	got, _, err = serve(t, config, state)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"n":3}`)
}

// A compressed file grows by members: only what they add is new.
func TestGrownCompressedFileGoesOn(t *testing.T) {
	t.Chdir(t.TempDir())
	var packed bytes.Buffer
	member := func(text string) {
		z := gzip.NewWriter(&packed)
		z.Write([]byte(text))
		z.Close()
		write(t, "a.jsonl.gz", packed.String())
	}
	config := `{"files":[{"entity":"a","path":"a.jsonl.gz"}]}`
	member("{\"n\":1}\n")
	_, state, err := serve(t, config, "")
	if err != nil {
		t.Fatal(err)
	}
	member("{\"n\":2}\n")
	got, _, err := serve(t, config, state)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"n":2}`)
}

func TestFileColumns(t *testing.T) {
	t.Chdir(t.TempDir())
	at := time.Date(2024, 2, 3, 4, 5, 6, 789000, time.UTC)
	touch := func(name, text string) {
		write(t, name, text)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch("a.jsonl", "{\"n\":1}\n\n{\"n\":2}\n")
	touch("b.jsonl", "{\"n\":3}\n")
	config := `{"add_file_columns":true,"files":[{"entity":"a","path":"*.jsonl"}]}`
	strip := func(records []string) (out []string) {
		for _, r := range records {
			var m map[string]any
			if json.Unmarshal([]byte(r), &m); m["_synced"] == nil || m["_synced"].(string) < "2025" {
				t.Errorf("%s: _synced is not now", r)
			}
			out = append(out, fmt.Sprint(m["n"], m["_file"], m["_line"], m["_modified"]))
		}
		return out
	}
	got, state, err := serve(t, config, "")
	if err != nil {
		t.Fatal(err)
	}
	const when = "2024-02-03T04:05:06.000789+00:00"
	same(t, strip(got), fmt.Sprint(1., "a.jsonl", 1., when), fmt.Sprint(2., "a.jsonl", 2., when), fmt.Sprint(3., "b.jsonl", 1., when))
	touch("a.jsonl", "{\"n\":1}\n\n{\"n\":2}\n{\"n\":4}\n")
	if got, _, err = serve(t, config, state); err != nil {
		t.Fatal(err)
	}
	same(t, strip(got), fmt.Sprint(4., "a.jsonl", 3., when))
	write(t, "a.jsonl", `{"_file":1}`)
	if _, _, err := serve(t, config, ""); err == nil || !strings.Contains(err.Error(), "a column _file of its own") {
		t.Error(err)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "broken.jsonl", "{\"a\":1}\n{\"password\":\"hush\",}\n")
	write(t, "key.jsonl", "{\"ident\":1}\n")
	for config, message := range map[string]string{
		`{"files":[{"entity":"a","path":"broken.jsonl"}]}`:              "stream \"a\": broken.jsonl:2: the line is no JSON object: a key is missing at byte 20: {\"password\":\"****\",}\nhint: entity \"a\" wants one JSON object per line",
		`{"files":[{"entity":"a","path":"key.jsonl","keys":["idnt"]}]}`: "stream \"a\": tap-jsonl: key \"idnt\" of entity \"a\" is no property of its records\nhint: did you mean \"ident\"?",
		`{"files":[]}`: "tap-jsonl: there are no files to read\nhint: set files, for example " + filesExample,
	} {
		_, _, err := serve(t, config, "")
		if err == nil {
			t.Errorf("%s is accepted", config)
		} else if got := fault.Render(err); got != message {
			t.Errorf("%s:\n got %s\nwant %s", config, got, message)
		}
	}
}
