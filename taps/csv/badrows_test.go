package csv

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/singer"
)

const ragged = "a,b\n1,2\n1,2,3\n4,\xff\n5,6\n7,\"8\n9,10\n"

func TestBadRowsAreLeftOut(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", ragged)
	config := `{"on_bad_row":%q,"add_file_columns":true,"max_bad_rows":%d,"files":[{"entity":"x/y","path":"*.csv"}]}`
	for _, policy := range []string{"skip", "quarantine"} {
		got, err := sync(t, fmt.Sprintf(config, policy, 0), &singer.Bookmarks{})
		for i, row := range got {
			if parts := strings.Split(row, "|"); len(parts) == 6 {
				got[i] = strings.Join(parts[:4], "|")
			}
		}
		want(t, got, err, "schema a:text,b:text,_file:text,_line:int64,_modified:timestamptz,_synced:timestamptz",
			"1|2|a.csv|1", "5|6|a.csv|4", "9|10|a.csv|6", "end")
	}
	kept, err := os.ReadFile("bad_rows/x_y.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range bytes.Lines(kept) {
		var r struct {
			Stream, File, Reason, Row string
			Line                      int
			Raw                       []byte `json:"row_base64"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s:%d %q %q %s", r.Stream, r.File, r.Line, r.Row, r.Raw, r.Reason))
	}
	want(t, lines, nil, `x/y a.csv:3 "1,2,3" "" the row has 3 fields, but the header has 2`,
		"x/y a.csv:4 \"4,\ufffd\" \"4,\\xff\\n\" column \"b\" is not UTF-8",
		`x/y a.csv:6 "7,\"8" "" the CSV cannot be read: a quoted field is never closed`)
	if _, err := sync(t, fmt.Sprintf(config, "skip", 2), &singer.Bookmarks{}); err == nil || !strings.Contains(err.Error(), "more than max_bad_rows = 2 rows cannot be read, the last because: a.csv:6") {
		t.Error(err)
	}
}

// A run that broke off counts bad rows as it did before.
func TestBadRowsAreNoRowsToSkip(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", ragged)
	var state singer.Bookmarks
	config := `{"on_bad_row":"quarantine","files":[{"entity":"x","path":"a.csv"}]}`
	if _, err := sync(t, config, &state); err != nil {
		t.Fatal(err)
	}
	put1(t, "a.csv", ragged+"11,12\n13\n")
	got, err := sync(t, config, &state)
	want(t, got, err, "schema a:text,b:text", "11|12", "13|∅", "end")
	if kept, _ := os.ReadFile("bad_rows/x.jsonl"); bytes.Count(kept, []byte("\n")) != 3 {
		t.Errorf("kept %s", kept)
	}
}

// Bytes that are missing are no bad row.
func TestTruncatedFile(t *testing.T) {
	t.Chdir(t.TempDir())
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("a\n" + strings.Repeat("1\n", 1000)))
	w.Close()
	put1(t, "a.csv.gz", z.String()[:z.Len()-9])
	_, err := sync(t, `{"on_bad_row":"skip","files":[{"entity":"x","path":"a.csv.gz"}]}`, &singer.Bookmarks{})
	if err == nil || fault.Render(err) != "stream \"x\": a.csv.gz cannot be read to its end: unexpected EOF\nhint: is it cut off, or still being written?" {
		t.Error(fault.Render(err))
	}
}
