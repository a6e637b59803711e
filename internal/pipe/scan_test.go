package pipe

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"elt/internal/singer"
)

func TestEnvelope(t *testing.T) {
	for _, c := range []struct{ line, typ, stream string }{
		{`{"type":"RECORD","stream":"users","record":{}}`, "RECORD", "users"},
		{` { "type" : "RECORD" , "stream" : "users" }`, "RECORD", "users"},
		{`{"stream":"users","record":{"type":"x","stream":"y"},"type":"RECORD"}`, "RECORD", "users"},
		{`{"record":{"a":[{"type":"x"}]},"type":"RECORD","stream":"u"}`, "RECORD", "u"},
		{`{"x":"type","type":"STATE","value":"stream"}`, "STATE", ""},
		{`{"a":"\"type\":\"x\"","type":"RECORD","stream":"a\"b\\"}`, "RECORD", `a"b\`},
		{`{"type":{"type":"x"},"stream":["s"]}`, "", ""},
		{`{"type":5,"stream":"s","type":"RECORD"}`, "RECORD", "s"},
		{`{"stream":"\u00e9\n","type":"RECORD"}`, "RECORD", "é\n"},
		{`[{"type":"RECORD"}]`, "", ""}, {`"type"`, "", ""}, {``, "", ""}, {`{`, "", ""}, {`{}`, "", ""}, {`hello {"type":"RECORD"}`, "", ""},
	} {
		for cut := range len(c.line) + 1 { // in two pieces, at each place
			var e envelope
			for _, piece := range []string{c.line[:cut], c.line[cut:]} {
				if !e.found() {
					e.feed([]byte(piece))
				}
			}
			if string(e.typ.text) != c.typ || unquote(e.stream.text) != c.stream {
				t.Fatalf("%s cut at %d: %q %q", c.line, cut, e.typ.text, e.stream.text)
			}
		}
	}
}

// FuzzEnvelope holds it against encoding/json.
func FuzzEnvelope(f *testing.F) {
	f.Add(`{"type":"RECORD","stream":"users","record":{"type":"x"}}`)
	f.Add(`{"a":{"b":[1,"]"]},"stream":"s","type":"RECORD"}`)
	f.Fuzz(func(t *testing.T, line string) {
		var e envelope
		e.feed([]byte(line))
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) != nil || strings.Count(line, "type")+strings.Count(line, `\u`) > 1 {
			return
		}
		if typ, _ := m["type"].(string); unquote(e.typ.text) != typ && strings.Count(line, "stream") == 0 {
			t.Fatalf("%s: %q, want %q", line, e.typ.text, typ)
		}
	})
}

func newScanner() *scanner {
	e := &Events{}
	e.fill()
	return &scanner{events: e, trace: singer.NewTrace(singer.Bookmarks{})}
}

func TestCountsPerStream(t *testing.T) {
	forms := []string{
		`{"type":"RECORD","stream":"%s","record":{"n":1}}`,
		`{"stream": "%s", "type": "RECORD", "record": {"n":1}}`,
		`{"record":{"type":"STATE"},"stream":"%s","type":"record"}`,
		`{"n":1,"stream":"%s","type":"RECORD"}`,
	}
	var block strings.Builder
	want := map[string][2]int64{}
	for i := range 400 {
		name := fmt.Sprintf("s%d", i/3%5)
		line := fmt.Sprintf(forms[i%len(forms)], name) + "\n"
		block.WriteString(line)
		want[name] = [2]int64{want[name][0] + 1, want[name][1] + int64(len(line))}
	}
	s, m := newScanner(), &Meter{}
	s.lines([]byte(block.String()))
	m.add(&s.tally)
	for _, got := range m.Read().Streams {
		if want[got.Stream] != [2]int64{got.Rows, got.Bytes} {
			t.Errorf("%+v, want %v", got, want[got.Stream])
		}
	}
	if f := m.Read(); len(f.Streams) != len(want) || f.Lines != 400 || f.Bytes != int64(block.Len()) {
		t.Errorf("%+v", f)
	}
}

func records(form string, n int) []byte {
	pad := strings.Repeat(`"column":"some text of a row", `, 15)
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, form, fmt.Sprintf(`{%s"id":%d}`, pad, i))
		b = append(b, '\n')
	}
	return b
}

// A tap of ours says one stream's bookmark at a time; what it has said is all
// of them, with those that the run began with.
func TestForwardedByAPeer(t *testing.T) {
	s := newScanner()
	s.start = singer.NewBookmarks([]byte(`{"bookmarks":{"z":{"at":1},"y":2}}`))
	for _, line := range []string{
		`{"type":"STATE","value":{"bookmarks":{"a":{"at":5}}},"x-elt-moved":{"stream":"a","exact":true,"rows":1}}`,
		`{"type":"STATE","value":{"bookmarks":{"b":{"at":6}}},"x-elt-moved":{"stream":"b","exact":true,"rows":1}}`,
		`{"type":"STATE","value":{"bookmarks":{}},"x-elt-moved":{"stream":"y","exact":true,"rows":1}}`,
	} {
		s.lines([]byte(line + "\n"))
	}
	if got := s.forwarded(); string(got) != `{"bookmarks":{"a":{"at":5},"b":{"at":6},"z":{"at":1}}}` {
		t.Errorf("forwarded %s", got)
	}
	s.lines([]byte(`{"type":"STATE","value":{"bookmarks":{"c":1}}}` + "\n"))
	if got := s.forwarded(); string(got) != `{"bookmarks":{"c":1}}` {
		t.Errorf("after a whole value: %s", got)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	for _, form := range []string{`{"type":"RECORD","stream":"users","record":%s}`, `{"stream":"users","record":%s,"type":"RECORD"}`} {
		s, m := newScanner(), &Meter{}
		block := records(form, 100)
		s.lines(block)
		if n := testing.AllocsPerRun(100, func() { s.lines(block); m.add(&s.tally) }); n > 0 {
			t.Errorf("%s: %v allocations per block", form, n)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for name, form := range map[string]string{
		"type first": `{"type":"RECORD","stream":"users","record":%s}`,
		"type last":  `{"stream":"users","record":%s,"type":"RECORD"}`,
	} {
		b.Run(name, func(b *testing.B) {
			s, block := newScanner(), records(form, 2000)
			b.SetBytes(int64(len(block)))
			for b.Loop() {
				s.lines(block)
			}
		})
	}
}
