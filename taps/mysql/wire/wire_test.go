package wire

import (
	"encoding/hex"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Documents as MySQL's source lays them out (sql-common/json_binary.h).
func TestDocument(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"", "null"},
		{"0400", "null"},
		{"0401", "true"},
		{"05ffff", "-1"},
		{"0affffffffffffffff", "18446744073709551615"},
		{"090000000000000080", "-9223372036854775808"},
		{"0b0000000000000440", "2.5"},
		{"0b0000000000000040", "2.0"},
		{"0c0568690a2201", `"hi\n\"\u0001"`},
		{"0001000c000b00010005010061", `{"a": 1}`},
		{"020000" + "0400", `[]`},
		{"020300" + "1000" + "050100" + "0c0d00" + "040000" + "026162", `[1, "ab", null]`},
		{"0101000000" + "15000000" + "13000000" + "0200" + "07ffffffff" + "6b6b", `{"kk": -1}`},
		{"0f" + "f6" + "05" + "0502" + "807b2d", `123.45`},
		{"0ffc0401020304", `"base64:type252:AQIDBA=="`},
	} {
		p, err := hex.DecodeString(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AppendDocument(nil, p); string(got) != c.want || err != nil {
			t.Errorf("%s: %s %v, want %s", c.value, got, err, c.want)
		}
		for n := range len(p) { // cut off it is an error at worst
			AppendDocument(nil, p[:n])
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte{0x00, 1, 0, 12, 0, 11, 0, 1, 0, 5, 1, 0, 'a'})
	f.Fuzz(func(t *testing.T, p []byte) { AppendDocument(nil, p) })
}

func TestGTIDs(t *testing.T) {
	const a, b = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "11111111-2222-3333-4444-555555555555"
	for _, c := range []struct{ have, add, want string }{
		{"", "0-1-5", "0-1-5"},
		{"0-1-5", "0-2-6", "0-2-6"},
		{"1-1-5,0-1-5", "2-1-1", "0-1-5,1-1-5,2-1-1"},
		{"", a + ":1", a + ":1"},
		{a + ":1-5", a + ":6", a + ":1-6"},
		{a + ":1-5:7-9", a + ":6", a + ":1-9"},
		{a + ":5-9", a + ":1", a + ":1:5-9"},
		{"3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,\n" + b + ":3", b + ":2", b + ":2-3," + a + ":1-5"},
	} {
		g, err := ParseGTIDs(c.have)
		if err == nil {
			before := g.Clone()
			err = g.Add(c.add)
			if again, _ := ParseGTIDs(c.have); before.String() != again.String() {
				t.Errorf("%s: a clone has become %s", c.have, before)
			}
		}
		if err != nil || g.String() != c.want {
			t.Errorf("%s and %s are %s, want %s: %v", c.have, c.add, g, c.want, err)
		}
	}
	for _, bad := range []string{"x", "1-2", "1-2-3-4", "0-1-x", a + ":0", a + ":5-3", "zz:1", a + ":"} {
		if g, err := ParseGTIDs(bad); err == nil {
			t.Errorf("%q is read as %s", bad, g)
		}
	}
	g, _ := ParseGTIDs(a + ":1-5:7")
	want := "0100000000000000" + "3e11fa4771ca11e19e33c80aa9429562" + "0200000000000000" + "0100000000000000" + "0600000000000000" + "0700000000000000" + "0800000000000000"
	if got := hex.EncodeToString(g.encode()); got != want {
		t.Errorf("on the wire: %s, want %s", got, want)
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		p, end Place
		want   bool
	}{
		{Place{File: "log.000001", Pos: 4}, Place{File: "log.000001", Pos: 4}, true},
		{Place{File: "log.000001", Pos: 3}, Place{File: "log.000001", Pos: 4}, false},
		{Place{File: "log.000002", Pos: 4}, Place{File: "log.000001", Pos: 400}, true},
		{Place{File: "log.999999", Pos: 4}, Place{File: "log.1000000", Pos: 4}, false},
		{Place{File: "other.000009", Pos: 4}, Place{File: "log.000001", Pos: 4}, false},
		{Place{Pos: 4}, Place{File: "log.000001", Pos: 4}, false},
	} {
		if got := c.p.Reached(c.end); got != c.want {
			t.Errorf("%v has reached %v: %v", c.p, c.end, got)
		}
	}
}

// A transaction that MySQL has compressed is its events, one after another.
func TestCompressedTransaction(t *testing.T) {
	event := func(kind byte, body string) []byte {
		n := eventHead + len(body)
		return append([]byte{1, 0, 0, 0, kind, 9, 0, 0, 0, byte(n), 0, 0, 0, 77, 0, 0, 0, 0, 0}, body...)
	}
	begin := event(evQuery, "\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00db\x00BEGIN")
	events := append(begin, event(evXID, "\x01\x00\x00\x00\x00\x00\x00\x00")...)
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := pack.EncodeAll(events, nil)
	body := append([]byte{2, 1, 0, 3, 1, byte(len(events)), 1, 1, byte(len(packed)), 0}, packed...)
	var in inflater
	got, err := in.payload(body)
	if err != nil || string(got) != string(events) {
		t.Fatalf("%x, want %x: %v", got, events, err)
	}
	l := &Log{At: Place{File: "f.1", Pos: 500}, ctx: t.Context(), payload: got}
	for _, want := range []EventKind{Quiet, Commit} {
		if e, err := l.Next(); err != nil || e.Kind != want || l.At.Pos != 500 {
			t.Errorf("%+v, at %d: %v", e, l.At.Pos, err)
		}
	}
	for n := range len(body) {
		in.payload(body[:n])
	}
}
