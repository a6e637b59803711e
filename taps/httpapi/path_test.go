package httpapi

import (
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	const doc = ` {"data":{"items":[{"id":1.10,"tags":["a","b"]},{"id":2,"tags":null}],"odd name":{"x.y":[7]}},"none":null,"empty":[]} `
	for _, c := range []struct{ path, records, fault string }{
		{"$.data.items[*].id", "1.10 2", ""},
		{"data.items", `{"id":1.10,"tags":["a","b"]} {"id":2,"tags":null}`, ""},
		{"$.data.items[*].tags[*]", `"a" "b"`, ""},
		{"$.data.items[1].id", "2", ""},
		{"$.data['odd name']['x.y'][0]", "7", ""},
		{`data["odd name"]["x.y"]`, "7", ""},
		{"$.none", "", ""},
		{"$.none.deeper[*]", "", ""},
		{"$.empty[*]", "", ""},
		{"$.date", "", `there is nothing at $.date: the answer has an object with "data", "none", "empty" where "date" was expected`},
		{"$.data[*]", "", "the answer has an object where an array was expected"},
		{"$.data.items[0].id.x", "", `a single value where "x" was expected`},
		{"$.data.items[5]", "", "an array where element 5 was expected"},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = p.Records([]byte(doc), func(r []byte) error { got = append(got, string(r)); return nil })
		if text := strings.Join(got, " "); text != c.records || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %q, %v", c.path, text, err)
		}
	}
	for _, bad := range []string{"$..a", "a[", "a[?(@.b)]", "a[1:2]", "a..b", "a[-1]", "a['b'"} {
		if _, err := ParsePath(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	p, _ := ParsePath("$.data.items[0].id")
	if v, err := p.Value([]byte(doc)); err != nil || string(v) != "1.10" {
		t.Errorf("%s %v", v, err)
	}
}

func TestMarksAreOrdered(t *testing.T) {
	for _, c := range []struct{ less, more, unit string }{
		{`"2024-01-01T00:00:00+02:00"`, `"2024-01-01T00:00:00Z"`, ""},
		{`"2024-01-01"`, `"2024-01-01T00:00:00.000000001Z"`, ""},
		{"9007199254740992", "9007199254740993", ""},
		{`"9"`, `"10"`, ""},
		{"1.09", "1.1", ""},
		{"9", "10", "ms"},
		{`"a"`, `"b"`, ""},
		{"null", `""`, ""},
	} {
		a, b := ParseMark([]byte(c.less), c.unit), ParseMark([]byte(c.more), c.unit)
		if !a.Less(b) || b.Less(a) || a.Less(a) {
			t.Errorf("%s and %s", c.less, c.more)
		}
	}
	if at := ParseMark([]byte("1704067200123"), "ms").At; at.UnixMilli() != 1704067200123 {
		t.Error(at)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	s := &Secrets{}
	s.Add("p/w &1", "ab")
	if got := s.Hide("x p/w &1 p%2Fw+%261 p%2Fw%20&1 ab"); got != "x **** **** **** ab" {
		t.Error(got)
	}
}
