package replication

import (
	"fmt"
	"slices"
	"testing"
)

var tables = []*Relation{{Schema: "public", Name: "t", Columns: []Column{{"id", 23, -1}, {"name", 25, -1}, {"by", 17, -1}}}}

// say is a change in one line.
func say(c *Change) string {
	values := func(vs []Value) (out []string) {
		for i, v := range vs {
			out = append(out, fmt.Sprintf("%s:%d:%s", c.Relation.Columns[i].Name, v.State, v.Bytes))
		}
		return out
	}
	text := fmt.Sprintf("%d at %s", c.Kind, c.LSN)
	if c.Time != 0 {
		text += fmt.Sprint(" time ", c.Time)
	}
	if c.Relation != nil {
		text += fmt.Sprintf(" %s old %v new %v", c.Relation.Name, values(c.Old), values(c.New))
	}
	return text
}

func TestWAL2JSONSays(t *testing.T) {
	w := NewWAL2JSON(tables)
	for _, c := range []struct{ message, want string }{
		{`{"action":"B","timestamp":"2000-01-01 00:00:01.5+00","lsn":"0/1A"}`, "1 at 0/1A time 1500000"},
		{`{"action":"I","schema":"public","table":"t","columns":[{"name":"id","typeoid":23,"value":7},{"name":"name","typeoid":25,"value":"a\"\\\u00e9\ud83d\ude00\n"},{"name":"by","typeoid":17,"value":"00ff"}]}`,
			"3 at 0/9 t old [] new [id:3:7 name:3:a\"\\é😀\n by:4:00ff]"},
		{`{"action":"U","schema":"public","table":"t","columns":[{"name":"id","typeoid":23,"value":7},{"name":"by","typeoid":17,"value":null}],"identity":[{"name":"id","typeoid":23,"value":6}]}`,
			"4 at 0/9 t old [id:3:6 name:0: by:0:] new [id:3:7 name:2: by:1:]"},
		{`{"action":"D","schema":"public","table":"t","identity":[{"name":"id","typeoid":23,"value":-1}]}`, "5 at 0/9 t old [id:3:-1 name:0: by:0:] new []"},
		{`{"action":"I","schema":"public","table":"t","columns":[{"name":"id","typeoid":23,"value":7},{"name":"more","typeoid":16,"value":true}]}`, "3 at 0/9 t old [] new [id:3:7 more:3:true]"},
		{`{"action":"I","schema":"public","table":"other","columns":[]}`, "0 at 0/9"},
		{`{"action":"M","transactional":true,"content":{"a":[1,"]"]}}`, "0 at 0/9"},
		{`{"action":"C"}`, "2 at 0/9"},
	} {
		var change Change
		if err := w.Decode(9, []byte(c.message), &change); err != nil {
			t.Errorf("%s: %v", c.message, err)
		} else if got := say(&change); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.message, got, c.want)
		}
		for n := range len(c.message) { // a message that was cut is an error, never a crash
			if w.Decode(9, []byte(c.message[:n]), &change) == nil {
				t.Errorf("%q is accepted", c.message[:n])
			}
		}
	}
	if got := NewWAL2JSON([]*Relation{{Schema: "a.b", Name: `c d,*'\`}, {Schema: "x", Name: "y"}}).tables; got != `a\.b.c\ d\,\*\'\\,x.y` {
		t.Errorf("tables are %s", got)
	}
}

func TestPGOutputSays(t *testing.T) {
	p := NewPGOutput(`odd "name"`)
	if o := p.Options(); o[1].Value != `"odd ""name"""` {
		t.Errorf("options %v", o)
	}
	for _, c := range []struct{ message, want string }{
		{"R\x00\x00\x00\x07public\x00t\x00d\x00\x02\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff\x00name\x00\x00\x00\x00\x19\x00\x00\x00\x05", "0 at 0/9"},
		{"B\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01", "1 at 0/1A time 5"},
		{"I\x00\x00\x00\x07N\x00\x02t\x00\x00\x00\x011n", "3 at 0/9 t old [] new [id:3:1 name:1:]"},
		{"U\x00\x00\x00\x07K\x00\x02t\x00\x00\x00\x011nN\x00\x02t\x00\x00\x00\x012u", "4 at 0/9 t old [id:3:1 name:0:] new [id:3:2 name:2:]"},
		{"U\x00\x00\x00\x07O\x00\x02t\x00\x00\x00\x011nN\x00\x02t\x00\x00\x00\x012n", "4 at 0/9 t old [id:3:1 name:1:] new [id:3:2 name:1:]"},
		{"D\x00\x00\x00\x07K\x00\x02t\x00\x00\x00\x011n", "5 at 0/9 t old [id:3:1 name:0:] new []"},
		{"T\x00\x00\x00\x01\x00\x00\x00\x00\x07", "6 at 0/9"},
		{"C\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x00\x00\x00\x00\x05", "2 at 0/2A time 5"},
	} {
		var change Change
		for n := range len(c.message) - 1 {
			if c.message[0] != 'B' && NewPGOutput("p").Decode(9, []byte(c.message[:n]), &change) == nil {
				t.Errorf("%q is accepted", c.message[:n])
			}
		}
		if err := p.Decode(9, []byte(c.message), &change); err != nil {
			t.Errorf("%q: %v", c.message, err)
		} else if got := say(&change); got != c.want {
			t.Errorf("%q:\n%s, want\n%s", c.message, got, c.want)
		}
	}
	var change Change
	for _, bad := range []string{"X", "I\x00\x00\x00\x08N\x00\x00", "I\x00\x00\x00\x07N\x00\x01n", "T\xff\xff\xff\xff\x00"} {
		if err := p.Decode(9, []byte(bad), &change); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestLSNs(t *testing.T) {
	for _, text := range []string{"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"} {
		if at, err := ParseLSN(text); err != nil || at.String() != text {
			t.Errorf("%s: %s, %v", text, at, err)
		}
	}
	for _, bad := range []string{"", "1", "1/", "/1", "1/2/3", "g/1", "100000000/1"} {
		if at, err := ParseLSN(bad); err == nil {
			t.Errorf("%q is %s", bad, at)
		}
	}
}

// What comes out of the inbox is what went in, in order, whatever waits.
func TestInbox(t *testing.T) {
	b, done := newInbox(), make(chan struct{})
	var want []int
	go func() {
		for n := range 3000 {
			b.put(make([]byte, n%4096+n/2999*3*inboxBytes), done)
		}
		b.end(errShort)
	}()
	for n := range 3000 {
		want = append(want, n%4096+n/2999*3*inboxBytes)
	}
	var got []int
	for {
		m, err := b.next()
		if err != nil {
			break
		}
		if m == nil {
			<-b.ready
			continue
		}
		got = append(got, len(m))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d messages came of %d", len(got), len(want))
	}
	full := newInbox()
	full.put(make([]byte, inboxBytes), done)
	close(done)
	full.put([]byte("x"), done) // gives up
	if m, _ := full.next(); len(m) != inboxBytes {
		t.Errorf("%d bytes", len(m))
	}
}
