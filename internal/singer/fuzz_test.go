package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"elt/internal/row"

	"pgregory.net/rapid"
)

// FuzzReader: whatever the input, any split of it gives the same rows,
// messages, warnings and error, and nothing panics.
func FuzzReader(f *testing.F) {
	f.Add([]byte(keyedSchema+"\n"+recordOf(`"id":1,"v":"é\u0000"`)+"\n"+recordOf(`"v":NaN,"id":18446744073709551616`)), uint8(3), uint8(11))
	f.Add([]byte(nestedSchema+"\n"+recordOf(`"a":{"b":{"y":"1"}},"id":1`)+"\n"+`{"type":"STATE","value":[]}`+"\n"+EndLine+"\n"), uint8(1), uint8(200))
	f.Add([]byte(keyedSchema+"\n"+`{"record":{"id":1e3},"version":1,"stream":"s","type":"record"}`+"\n{\"type\":\"RECORD\",\"stream\":\"s\",\"record\":{\"id\":"), uint8(5), uint8(64))
	f.Fuzz(func(t *testing.T, input []byte, a, b uint8) {
		if len(input) > 1<<16 || bytes.Contains(input, []byte("BATCH")) {
			return // files are not to be made up
		}
		for _, o := range []ReaderOptions{{}, {Flatten: Flatten{MaxLevel: 2}, KeepAbsent: true, NUL: NULFail, OnBad: func(BadRecord) error { return nil }}} {
			whole, wholeEnd, wholeErr := read(t, o, bytes.NewReader(input))
			split, splitEnd, splitErr := read(t, o, &chunks{text: string(input), sizes: []int{int(a), int(b)}})
			if fmt.Sprint(wholeErr) != fmt.Sprint(splitErr) || wholeEnd != splitEnd {
				t.Errorf("whole: %+v %v; in pieces: %+v %v", wholeEnd, wholeErr, splitEnd, splitErr)
			}
			same(t, split, whole...)
		}
	})
}

// FuzzType: of a valid message Type says what a full decoder says.
func FuzzType(f *testing.F) {
	for _, line := range []string{`{"type":"RECORD"}`, `{"a":[{"type":"STATE"}],"type" : "schema"}`, `{"a":"\"","\u0074ype":"BATCH"}`, `{"type":1}`, `[]`, `{"a":{}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got := Type(line)
		if !json.Valid(line) || !utf8.Valid(line) || bytes.ContainsAny(line, "\n") {
			return // only that it returns
		}
		d := json.NewDecoder(bytes.NewReader(line))
		want := NoMessage
		if token, err := d.Token(); err == nil && token == json.Delim('{') {
			for d.More() {
				key, _ := d.Token()
				var value json.RawMessage
				if err := d.Decode(&value); err != nil {
					return
				}
				if key == "type" { // the first one counts
					var name any
					_ = json.Unmarshal(value, &name)
					if text, ok := name.(string); ok {
						want = typeOf([]byte(text))
					}
					break
				}
			}
		}
		if got != want {
			t.Errorf("%s is %q, want %q", line, got, want)
		}
	})
}

// Values of every sort come out of the Reader as they went in, in any order
// of properties and any style of JSON.
func TestValuesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type property struct {
			schema string
			value  func(*rapid.T) (text string, check func(string) bool)
		}
		decimal := func(t *rapid.T) (string, func(string) bool) {
			text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "decimal")
			want, _ := new(big.Rat).SetString(text)
			return text, func(got string) bool {
				r, ok := new(big.Rat).SetString(got)
				return ok && r.Cmp(want) == 0
			}
		}
		properties := []property{
			{`{"type":"number"}`, decimal},
			{`{"type":["integer","null"]}`, decimal},
			{`{"type":"string"}`, func(t *rapid.T) (string, func(string) bool) {
				want := rapid.String().Draw(t, "text")
				raw, _ := json.Marshal(want)
				return string(raw), func(got string) bool { return got == strings.ReplaceAll(want, "\x00", "\ufffd") }
			}},
			{`{"type":"object"}`, func(t *rapid.T) (string, func(string) bool) {
				want := map[string]any{}
				for _, k := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z "\\é]{0,6}`), 0, 12, rapid.ID[string]).Draw(t, "keys") {
					want[k] = rapid.SliceOfN(rapid.Int(), 0, 3).Draw(t, "values")
				}
				compact, _ := marshal(want)
				spaced, _ := json.MarshalIndent(want, "", " ")
				return strings.ReplaceAll(string(spaced), "\n", "\t"), func(got string) bool { return got == string(compact) || sameJSON(got, string(compact)) }
			}},
			{`{"type":"boolean"}`, func(t *rapid.T) (string, func(string) bool) {
				want := fmt.Sprint(rapid.Bool().Draw(t, "bool"))
				return want, func(got string) bool { return got == want }
			}},
		}
		n := rapid.IntRange(1, 8).Draw(t, "columns")
		var schema []string
		picked := make([]property, n)
		for i := range picked {
			picked[i] = rapid.SampledFrom(properties).Draw(t, "property")
			schema = append(schema, fmt.Sprintf(`"c%d":%s`, i, picked[i].schema))
		}
		lines := []string{`{"type":"SCHEMA","stream":"s","schema":{"properties":{` + strings.Join(schema, ",") + `}}}`}
		var checks []map[string]func(string) bool
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			check := map[string]func(string) bool{}
			var members []string
			for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}[:n]).Draw(t, "order") {
				name := fmt.Sprintf("c%d", i)
				switch rapid.IntRange(0, 5).Draw(t, "presence") {
				case 0:
					check[name] = func(got string) bool { return got == "NULL" }
					continue
				case 1:
					check[name] = func(got string) bool { return got == "NULL" }
					members = append(members, `"`+name+`" : null`)
					continue
				}
				text, ok := picked[i].value(t)
				check[name] = ok
				members = append(members, `"`+name+`":`+text)
			}
			checks = append(checks, check)
			sep := rapid.SampledFrom([]string{",", ", ", " ,\t"}).Draw(t, "separator")
			lines = append(lines, `{"type":"RECORD","stream":"s","record":{`+strings.Join(members, sep)+`}}`)
		}
		g := &gather{}
		if _, err := NewReader(strings.NewReader(strings.Join(lines, "\n")), ReaderOptions{}).Run(t.Context(), g); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
		}
		if len(g.rows) != len(checks) {
			t.Fatalf("%d rows of %d", len(g.rows), len(checks))
		}
		for i, check := range checks {
			for name, ok := range check {
				if !ok(g.rows[i][name]) {
					t.Fatalf("row %d, %s: %q\n%s", i, name, g.rows[i][name], strings.Join(lines, "\n"))
				}
			}
		}
	})
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// gather is a Handler that keeps rows as text by column.
type gather struct {
	sink
	rows []map[string]string
}

func (g *gather) Write(_ context.Context, b *row.Batch) error {
	for i := range b.Len() {
		out := map[string]string{}
		fields := b.Fields(i)
		for n := range b.Schema.Columns {
			c := &b.Schema.Columns[n]
			if field, state := fields.Next(); state == row.Value {
				out[c.Name] = string(row.AppendText(nil, c, field))
			} else {
				out[c.Name] = "NULL"
			}
		}
		g.rows = append(g.rows, out)
	}
	b.Release()
	return nil
}
