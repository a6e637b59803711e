package backfill

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"elt/internal/fault"
)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2024-02-29":                       "2024-02-29T00:00:00Z",
		"2024-01-31T06:07":                 "2024-01-31T06:07:00Z",
		"2024-01-31 06:07:08":              "2024-01-31T06:07:08Z",
		"2024-01-31T06:07:08.25Z":          "2024-01-31T06:07:08.25Z",
		"2024-01-31T06:07:08.123456+01:00": "2024-01-31T05:07:08.123456Z",
		"2024-01-01T00:00:00-0530":         "2024-01-01T05:30:00Z",
		"0001-01-01":                       "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59+00":           "9999-12-31T23:59:59Z",
	} {
		if got, err := ParseTime("--from", text); err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestWrongTimes(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "--from:1:1",
		"yesterday":                   "--from:1:1",
		"24-01-01":                    "--from:1:3",
		"2024/01/01":                  "--from:1:5",
		"2024-13-01":                  "--from:1:6",
		"2023-02-29":                  "--from:1:9",
		"2024-01-1":                   "--from:1:10",
		"2024-01-01T25:00":            "--from:1:12",
		"2024-01-01T01":               "--from:1:14",
		"2024-01-01T01:00:00.1234567": "--from:1:28",
		"2024-01-01T01:00:00 UTC":     "--from:1:20",
		"2024-01-01T01:00:00+25:00":   "--from:1:21",
		"2024-01-01x":                 "--from:1:11",
		"2024-01-01T01:00Zz":          "--from:1:18",
	} {
		_, err := ParseTime("--from", text)
		if fault.CodeOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWindows(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"2024-02-01", "2024-01-01", "ends before it starts: --from 2024-02-01, --to 2024-01-01"},
		{"2024-01-01", "2024-01-01T01:00:00+01:00", "the window is empty: --from 2024-01-01 and --to 2024-01-01T01:00:00+01:00"},
		{"2024-01-01", "soon", "--to:1:1"},
	} {
		_, err := ParseWindow(c.from, c.to)
		if fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.Render(err), "hint:") {
			t.Errorf("%v", err)
		}
	}
}

func split(t testing.TB, from, to, chunk string) []Window {
	t.Helper()
	w, err := ParseWindow(from, to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSpan(chunk)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.Split(s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ from, to, chunk, want string }{
		{"2024-01-01", "2024-01-10", "4d", "2024-01-01 2024-01-05 2024-01-09 2024-01-10"},
		{"2024-01-01", "2024-01-03", "1w", "2024-01-01 2024-01-03"}, // longer than the window
		{"2024-01-31", "2024-05-31", "1mo", "2024-01-31 2024-02-29 2024-03-31 2024-04-30 2024-05-31"},
		{"2023-01-31", "2023-04-01", "1mo", "2023-01-31 2023-02-28 2023-03-31 2023-04-01"},
		{"2024-02-29", "2027-01-01", "1y", "2024-02-29 2025-02-28 2026-02-28 2027-01-01"},
		// Over the night of a clock change a day of UTC has 24 hours.
		{"2024-03-30", "2024-04-01", "24h", "2024-03-30 2024-03-31 2024-04-01"},
		{"2024-03-30", "2024-04-01", "1d", "2024-03-30 2024-03-31 2024-04-01"},
		// Days and months begin where the offset of --from says.
		{"2024-02-01T00:00:00+01:00", "2024-04-01T00:00:00+01:00", "1mo", "2024-01-31T23:00:00Z 2024-02-29T23:00:00Z 2024-03-31T23:00:00Z"},
		{"2024-01-01", "2024-01-01T01:00:00Z", "25min", "2024-01-01 2024-01-01T00:25:00Z 2024-01-01T00:50:00Z 2024-01-01T01:00:00Z"},
	} {
		list := split(t, c.from, c.to, c.chunk)
		got := Text(list[0].From)
		for _, w := range list {
			got += " " + Text(w.To)
		}
		if got != c.want {
			t.Errorf("%s %s %s: %s, want %s", c.from, c.to, c.chunk, got, c.want)
		}
	}
	if n := len(split(t, "2024-01-01", "2025-01-01", "1w")); n != 53 {
		t.Errorf("%d weeks", n)
	}
}

// Chunks cover the window: each begins where the one before ends, none is empty.
func TestChunksMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(-2e9, 4e9).Draw(t, "from"), 0).In(time.FixedZone("", rapid.IntRange(-14, 14).Draw(t, "offset")*3600))
		w := Window{from, from.Add(time.Duration(rapid.Int64Range(1, 3e8).Draw(t, "length")) * time.Second)}
		s, err := ParseSpan(fmt.Sprint(rapid.IntRange(1, 40).Draw(t, "n"), rapid.SampledFrom([]string{"d", "w", "mo", "y"}).Draw(t, "unit")))
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.Split(s)
		if err != nil {
			t.Fatal(err)
		}
		at := w.From
		for _, c := range list {
			if !c.From.Equal(at) || !c.To.After(c.From) {
				t.Fatalf("%v after %v", c, at)
			}
			at = c.To
		}
		if !at.Equal(w.To) {
			t.Fatalf("ends at %v, not %v", at, w.To)
		}
	})
}

func TestWrongSpans(t *testing.T) {
	for _, text := range []string{"", "7", "d", "0d", "-1d", "1.5d", "1m", "1month", "99999999999999999999d", "1mo15d"} {
		if _, err := ParseSpan(text); fault.CodeOf(err) != fault.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
	w, _ := ParseWindow("2024-01-01", "2025-01-01")
	if _, err := w.Split(Span{Clock: time.Second}); fault.CodeOf(err) != fault.Usage {
		t.Errorf("a year by seconds: %v", err)
	}
}
