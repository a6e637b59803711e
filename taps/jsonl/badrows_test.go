package jsonl

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestBadRowsAreLeftOut(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "{\"n\":1}\n\n{\"n\":2,}\n{\"n\":3}\nnothing\n{\"n\":4}\n"
	write(t, "a.jsonl", text)
	config := `{"on_bad_row":"quarantine","add_file_columns":true,"files":[{"entity":"a","path":"a.jsonl"}]}`
	strip := func(records []string) (out []string) {
		for _, r := range records {
			r, _, _ = strings.Cut(r, `,"_modified"`)
			out = append(out, r)
		}
		return out
	}
	got, state, err := serve(t, config, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, strip(got), `{"n":1,"_file":"a.jsonl","_line":1`, `{"n":3,"_file":"a.jsonl","_line":3`, `{"n":4,"_file":"a.jsonl","_line":5`)
	kept, err := os.ReadFile("bad_rows/a.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(kept)) {
		var r struct {
			File, Reason, Row string
			Line              int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s:%d %q %s", r.File, r.Line, r.Row, r.Reason))
	}
	same(t, lines, `a.jsonl:3 "{\"n\":2,}" `+reasonOf(lines, 0), `a.jsonl:5 "nothing" `+reasonOf(lines, 1))
	for _, l := range lines {
		if !strings.Contains(l, "is no JSON") {
			t.Errorf("the reason is unclear: %s", l)
		}
	}
	write(t, "a.jsonl", text+"{\"n\":5}\n")
	if got, _, err = serve(t, config, state); err != nil {
		t.Fatal(err)
	}
	same(t, strip(got), `{"n":5,"_file":"a.jsonl","_line":6`)
}

// reasonOf is what a line says behind its row.
func reasonOf(lines []string, n int) string {
	if n >= len(lines) {
		return ""
	}
	_, reason, _ := strings.Cut(lines[n], `" `)
	return reason
}
