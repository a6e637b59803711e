package csv

import (
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

var comma = format{delimiter: ',', quote: '"', doubleQuote: true}

func scanAll(t interface{ Fatalf(string, ...any) }, in io.Reader, f format) [][]string {
	s := newScanner(in, f)
	s.buf = s.buf[:16:16] // small, so that every seam is crossed
	var out [][]string
	for {
		fields, err := s.record()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("line %d: %v", s.line, err)
		}
		line := make([]string, len(fields))
		for i, f := range fields {
			line[i] = string(f)
		}
		out = append(out, line)
	}
}

func TestScannerReadsWhatTheStandardLibraryWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOf(rapid.SliceOfN(rapid.StringMatching(`[a-z ,"'\n;é]{0,12}`), 2, 5)).Draw(t, "records")
		var text strings.Builder
		w := stdcsv.NewWriter(&text)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		if w.UseCRLF { // the writer turns \n inside fields into \r\n, too
			for _, r := range records {
				for i := range r {
					r[i] = strings.ReplaceAll(r[i], "\n", " ")
				}
			}
		}
		w.WriteAll(records)
		got := scanAll(t, iotest.OneByteReader(strings.NewReader(text.String())), comma)
		if len(got) != len(records) {
			t.Fatalf("%d records of %q, want %d", len(got), text.String(), len(records))
		}
		for i := range records {
			if strings.Join(got[i], "\x00") != strings.Join(records[i], "\x00") {
				t.Fatalf("record %d is %q, want %q", i, got[i], records[i])
			}
		}
	})
}

func TestScannerDialects(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		f    format
		want string // fields joined by |, records by newline
	}{
		"quotes doubled":        {`"a ""b""",c`, comma, `a "b"|c`},
		"text behind a quote":   {`"a"b,c`, comma, `ab|c`},
		"no trailing newline":   {"a,b\n1,", comma, "a|b\n1|"},
		"lone carriage returns": {"a,b\r1,2\r", comma, "a|b\n1|2"},
		"blank lines":           {"a\n\n\r\nb\n", comma, "a\nb"},
		"a quoted empty line":   {"a\n\"\"\nb\n", comma, "a\n\nb"},
		"tabs":                  {"a\tb,c\n", format{delimiter: '\t', quote: '"', doubleQuote: true}, "a|b,c"},
		"no quoting":            {`"a",b`, format{delimiter: ','}, `"a"|b`},
		"escapes":               {`a\,b,"c\"d\\"`, format{delimiter: ',', quote: '"', escape: '\\'}, `a,b|c"d\`},
		"space after delimiter": {`a,  "b, c",  d`, format{delimiter: ',', quote: '"', doubleQuote: true, skipSpace: true}, `a|b, c|d`},
		"quotes not doubled":    {`'a''b',c`, format{delimiter: ',', quote: '\''}, `a'b'|c`},
	} {
		var lines []string
		for _, r := range scanAll(t, strings.NewReader(c.in), c.f) {
			lines = append(lines, strings.Join(r, "|"))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestScannerErrorsNameTheLine(t *testing.T) {
	for in, want := range map[string]struct {
		line int64
		err  error
	}{"a\nb\n\"c\nd": {3, errUnclosed}, "a\n\"b\"c\n": {2, errQuote}} {
		f := comma
		f.strict = true
		s := newScanner(strings.NewReader(in), f)
		var err error
		for err == nil {
			_, err = s.record()
		}
		if !errors.Is(err, want.err) || s.line != want.line {
			t.Errorf("%q: %v at line %d, want %v at %d", in, err, s.line, want.err, want.line)
		}
	}
}

func TestScannerAllocatesNothingPerRecord(t *testing.T) {
	text := strings.Repeat("1,some text,\"quoted, with \"\"quotes\"\"\",12.50,2024-02-29\n", 5000)
	s := newScanner(strings.NewReader(text), comma)
	for range 100 { // warm up
		s.record()
	}
	if n := testing.AllocsPerRun(4000, func() {
		if _, err := s.record(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func BenchmarkScanner(b *testing.B) {
	text := strings.Repeat("1,155190,7706,1,17,21168.23,0.04,0.02,N,O,1996-03-13,1996-02-12,1996-03-22,DELIVER IN PERSON,TRUCK,egular courts above the\n", 10000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s := newScanner(strings.NewReader(text), comma)
		for {
			if _, err := s.record(); err != nil {
				break
			}
		}
	}
}

// What is not there is told from what is empty in quotes.
func TestNothingIsNotAnEmptyText(t *testing.T) {
	for _, f := range []format{{delimiter: ',', quote: '"', doubleQuote: true}, {delimiter: ',', quote: '"', escape: '\\'}, {delimiter: ',', quote: '"', skipSpace: true}} {
		s := newScanner(strings.NewReader("a,,\"\"\n\"\",,b\n,\"\""), f)
		var got []string
		for {
			fields, err := s.record()
			if err != nil {
				break
			}
			for _, field := range fields {
				got = append(got, fmt.Sprintf("%q/%v", field, field == nil))
			}
		}
		want := `"a"/false ""/true ""/false ""/false ""/true "b"/false ""/true ""/false`
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%+v: %s", f, s)
		}
	}
}
