package parquet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	loading "elt/internal/load"
	written "elt/targets/parquet"
)

// target runs target-parquet over records of one stream with a property v.
func target(t testing.TB, property string, values []string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{"destination_path":%q,"nested":"typed"}`, filepath.Join(dir, "out")), 0o600); err != nil {
		t.Fatal(err)
	}
	var in, out, talk bytes.Buffer
	fmt.Fprintf(&in, `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"v":%s}},"key_properties":[]}`+"\n", property)
	for n, v := range values {
		fmt.Fprintf(&in, `{"type":"RECORD","stream":"s","record":{"id":%d,"v":%s}}`+"\n", n, v)
	}
	if err := loading.Serve(t.Context(), written.New(), []string{"--config", config}, loading.IO{In: &in, Out: &out, Err: &talk}, nil); err != nil {
		t.Fatal(err, talk.String())
	}
	return filepath.Join(dir, "out")
}

// parquetFiles are those below a folder.
func parquetFiles(t testing.TB, dir string) (paths []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			paths = append(paths, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return paths
}

// backAgain are the values of v that tap-parquet reads, by id.
func backAgain(t *testing.T, dir string) map[int]string {
	t.Helper()
	got, _, err := serve(t, fmt.Sprintf(`{"files":[{"entity":"s","path":%q}]}`, dir+"/**/*.parquet"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for _, record := range got {
		var r struct {
			ID int
			V  json.RawMessage
		}
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			t.Fatal(err)
		}
		out[r.ID] = string(r.V)
	}
	return out
}

const people = `{"type":["null","object"],"properties":{"z":{"type":"string"},"a":{"type":["null","array"],"items":{"type":["null","array"],"items":{"type":["null","integer"]}}},"m":{"type":"object","additionalProperties":{"type":"number"}},"o":{"type":["object","null"],"properties":{"d":{"type":"string","format":"date"},"b":{"type":"boolean"}}},"l":{"type":"array","items":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"array","items":{"type":"string"}}}}}}}`

// What has the declared shape is STRUCT, LIST and MAP, and comes back as it was.
func TestTypedNestedColumns(t *testing.T) {
	values := []string{
		`{"z":"é\"","a":[[1,null],[],null,[9223372036854775807]],"m":{"k":0.1,"":1e300},"o":{"d":"2024-02-29","b":true},"l":[{"x":"p","y":["q","r"]},{"x":null,"y":[]}]}`,
		`null`,
		`{"z":null,"a":null,"m":{},"o":null,"l":[]}`,
		`{"z":"","a":[],"m":{"a":null},"o":{"d":null,"b":null},"l":[null]}`,
	}
	dir := target(t, people, values)
	paths := parquetFiles(t, dir)
	if len(paths) != 1 {
		t.Fatalf("files %v", paths)
	}
	f, err := os.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	p, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var leaves []string
	for _, path := range p.Schema().Columns() {
		leaves = append(leaves, strings.Join(path, "."))
	}
	if want := []string{"id", "v.z", "v.a.list.element.list.element", "v.m.key_value.key", "v.m.key_value.value", "v.o.d", "v.o.b", "v.l.list.element.x", "v.l.list.element.y.list.element"}; !slices.Equal(leaves, want) {
		t.Errorf("columns %v", leaves)
	}
	got := backAgain(t, dir)
	for n, want := range values {
		want = strings.ReplaceAll(want, "1e300", "1"+strings.Repeat("0", 300))
		have := strings.ReplaceAll(got[n], "1e+300", "1"+strings.Repeat("0", 300))
		if have != want {
			t.Errorf("%d is\n%s, want\n%s", n, have, want)
		}
	}
}

// A value that a typed column would change, or cannot hold, is kept as JSON.
func TestAValueOfAnotherShapeIsJSON(t *testing.T) {
	for property, odd := range map[string]string{
		`{"type":"object","properties":{"a":{"type":"number"}}}`:                          `{"a":0.1000000000000000055}`,
		`{"type":"array","items":{"type":"integer"}}`:                                     `[12345678901234567890123]`,
		`{"type":"object","properties":{"b":{"type":"boolean"}}}`:                         `{"b":true,"undeclared":1}`,
		`{"type":"array","items":{"type":"string","format":"date"}}`:                      `["2024-02-30"]`,
		`{"type":"object","properties":{"c":{"type":"array","items":{"type":"string"}}}}`: `{"c":{"d":1}}`,
	} {
		dir := target(t, property, []string{`null`, odd})
		if got := backAgain(t, dir); got[1] != odd || got[0] != "null" {
			t.Errorf("%s: %v, want %s", property, got, odd)
		}
	}
}

// Documents of one shape come back as they were, whatever is missing in them.
func TestTypedDocuments(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		property, value := documentOf(r, 3)
		var values []string
		for range rapid.IntRange(1, 20).Draw(r, "rows") {
			values = append(values, value(r))
		}
		got := backAgain(t, target(t, fmt.Sprintf(`{"type":["null","object"],"properties":{"p":%s}}`, property), wrapped(values)))
		for n, want := range wrapped(values) {
			if got[n] != want {
				r.Fatalf("%s\nis  %s\nwant %s", property, got[n], want)
			}
		}
	})
}

func wrapped(values []string) (out []string) {
	for _, v := range values {
		out = append(out, `{"p":`+v+`}`)
	}
	return out
}

// documentOf is a JSON Schema and how to draw values of it.
func documentOf(t *rapid.T, depth int) (property string, value func(*rapid.T) string) {
	orNull := func(f func(*rapid.T) string) func(*rapid.T) string {
		return func(t *rapid.T) string {
			if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
				return "null"
			}
			return f(t)
		}
	}
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 3
	}
	switch kind {
	case 0:
		return `{"type":["null","integer"]}`, orNull(func(t *rapid.T) string { return fmt.Sprint(rapid.Int64().Draw(t, "n")) })
	case 1:
		return `{"type":["null","string"]}`, orNull(func(t *rapid.T) string { return fmt.Sprintf("%q", rapid.StringMatching(`[a-zé]{0,3}`).Draw(t, "s")) })
	case 2:
		return `{"type":["null","boolean"]}`, orNull(func(t *rapid.T) string { return fmt.Sprint(rapid.Bool().Draw(t, "b")) })
	case 3:
		a, of := documentOf(t, depth-1)
		b, other := documentOf(t, depth-1)
		return `{"type":["null","object"],"properties":{"y":` + a + `,"x":` + b + `}}`, orNull(func(t *rapid.T) string { return `{"y":` + of(t) + `,"x":` + other(t) + `}` })
	}
	inner, of := documentOf(t, depth-1)
	several := func(t *rapid.T, open, end string, one func(n int) string) string {
		var all []string
		for n := range rapid.IntRange(0, 3).Draw(t, "elements") {
			all = append(all, one(n))
		}
		return open + strings.Join(all, ",") + end
	}
	if kind == 4 {
		return `{"type":["null","object"],"additionalProperties":` + inner + `}`, orNull(func(t *rapid.T) string {
			return several(t, "{", "}", func(n int) string { return fmt.Sprintf(`"k%d":%s`, n, of(t)) })
		})
	}
	return `{"type":["null","array"],"items":` + inner + `}`, orNull(func(t *rapid.T) string { return several(t, "[", "]", func(int) string { return of(t) }) })
}
