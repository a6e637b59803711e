package load

import (
	"fmt"
	"strings"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
)

func TestCleaner(t *testing.T) {
	s := &row.Schema{Stream: "a", Columns: []row.Column{
		{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "t", Kind: row.Text, Wire: row.WireText, Nullable: true},
		{Name: "j", Kind: row.JSON, Wire: row.WireJSON, Nullable: true}, {Name: "b", Kind: row.Bytes, Wire: row.WireBytea}}}
	batch := func(text, json string) *row.Batch {
		b := &row.Batch{Schema: s, Version: 7}
		for _, op := range []row.Op{row.Insert, row.Delete} {
			b.Begin()
			b.Int8(0)
			b.Str(text)
			b.Str(json)
			b.Str("\x00")
			b.EndAs(op)
			b.ExtractedAt(5)
		}
		b.Begin()
		b.Int8(1)
		b.Null()
		b.SkipField()
		b.Str("")
		b.End()
		b.ExtractedAt(6)
		return b
	}
	texts := func(b *row.Batch) string {
		var out []string
		for i := range b.Len() {
			fields := b.Fields(i)
			for range s.Columns {
				v, state := fields.Next()
				out = append(out, fmt.Sprintf("%d%q", state, v))
			}
		}
		return strings.Join(out, " ") + fmt.Sprint(b.Ops, b.Extracted, b.Version, b.Unset)
	}
	for _, c := range []struct {
		policy           singer.NULPolicy
		free             bool
		text, json, t, j string
		fails            string
	}{
		{singer.NULReplace, false, "a\x00b\x00", `{"\u0000":"\\u0000"}`, "a\ufffdb\ufffd", `{"\ufffd":"\\u0000"}`, ""},
		{singer.NULReplace, false, "plain", `{"k": 1}`, "plain", `{"k": 1}`, ""},
		{singer.NULReplace, true, "plain", `"\u0000"`, "plain", `"\ufffd"`, ""},
		{singer.NULKeep, false, "a\x00", `"\u0000"`, "a\x00", `"\u0000"`, ""},
		{singer.NULFail, false, "a\x00", `1`, "", "", `property "t": holds a NUL character`},
		{singer.NULFail, false, "a", `"\u0000"`, "", "", `property "j": holds a NUL character`},
		{singer.NULFail, false, "a", `"\\u0000"`, "a", `"\\u0000"`, ""},
	} {
		clean := cleaner{policy: c.policy, textFree: c.free, warn: t.Logf}
		got, err := clean.clean(batch(c.text, c.json))
		switch {
		case c.fails != "":
			if err == nil || err.Error() != c.fails {
				t.Errorf("%q, %s: error %v", c.text, c.json, err)
			}
		case err != nil:
			t.Errorf("%q, %s: %v", c.text, c.json, err)
		default:
			if got, want := texts(got), texts(batch(c.t, c.j)); got != want {
				t.Errorf("%q, %s\ngot  %s\nwant %s", c.text, c.json, got, want)
			}
		}
	}
}
