package chaos

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

// days are rows of a stream, one for each day from start_date to end_date.
// The window is written down in the file asked.
type days struct {
	Stream string `json:"stream"`
	// A window that begins at Breaks fails until the file Mended is there.
	Breaks string `json:"breaks"`
	Mended string `json:"mended"`
	// A window that begins at Holds makes the file Hangs and waits for Mended.
	Holds string `json:"holds"`
	Hangs string `json:"hangs"`
}

func (d *days) write(out *bufio.Writer, start, end string) {
	f, err := os.OpenFile("asked", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(err)
	fmt.Fprintln(f, start, end)
	must(f.Close())
	if d.Holds == start {
		must(os.WriteFile(d.Hangs, nil, 0o644))
		waitFor(d.Mended)
	}
	at, err := time.Parse(time.DateOnly, start)
	must(err)
	to, err := time.Parse(time.DateOnly, end)
	must(err)
	fmt.Fprintf(out, `{"type":"SCHEMA","stream":%q,"key_properties":["day"],"schema":{"type":"object","properties":{"day":{"type":"string","format":"date"},"v":{"type":"integer"}}}}`+"\n", d.Stream)
	for ; at.Before(to); at = at.AddDate(0, 0, 1) {
		fmt.Fprintf(out, `{"type":"RECORD","stream":%q,"record":{"day":%q,"v":%d}}`+"\n", d.Stream, at.Format(time.DateOnly), at.YearDay())
	}
	if _, err := os.Stat(d.Mended); d.Breaks == start && err != nil {
		out.Flush()
		fmt.Fprintln(os.Stderr, "ERROR the source is broken")
		os.Exit(1)
	}
	fmt.Fprintf(out, `{"type":"STATE","value":{"bookmarks":{%q:{"replication_key":"day","replication_key_value":%q}}}}`+"\n", d.Stream, end)
	out.Flush()
}
