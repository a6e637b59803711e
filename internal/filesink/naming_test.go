package filesink

import (
	"errors"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
)

func TestNaming(t *testing.T) {
	at := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		scheme   string
		compress Compression
		want     string // for the stream a/b, or what the error says
		dated    bool
	}{
		{"raw_data/{stream}/{yyyy}/{mm}/{dd}/{stream}_{timestamp}.jsonl.gz", Gzip, "raw_data/a%2Fb/2024/02/03/a%2Fb_20240203T040506.jsonl.gz", true},
		{"{stream_name}.csv", None, "a%2Fb.csv", false},
		{"{stream}.csv", Zstd, "a%2Fb.csv.zst", false},
		{"{datestamp}/{hh}/{stream}", "", "2024-02-03/04/a%2Fb", true},
		{"{stream}.csv.gz", None, "compression: gzip", false},
		{"{stream}.csv.gz", Zstd, "compression: gzip", false},
		{"{table}.csv", None, "unknown {table}", false},
		{"../{stream}.csv", None, "leads out of", false},
		{"/{stream}.csv", None, "leads out of", false},
	} {
		n := Naming{Target: "target-x", Scheme: c.scheme, Compress: c.compress, Now: at, Datestamp: "%Y-%m-%d", Timestamp: "%Y%m%dT%H%M%S"}
		file, dated, err := n.File()
		switch {
		case err != nil:
			var said *fault.Error
			if !errors.As(err, &said) || !strings.Contains(err.Error()+said.Hint, c.want) {
				t.Errorf("%s: %v", c.scheme, err)
			}
		case file("a/b") != c.want || dated != c.dated:
			t.Errorf("%s: %s (%v), want %s", c.scheme, file("a/b"), dated, c.want)
		}
	}
}
