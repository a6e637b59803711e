package csv

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subject() targettest.Subject {
	return targettest.Subject{
		Target:  New(),
		Appends: true,
		Config: func(t testing.TB) map[string]any {
			return map[string]any{"output_path": t.TempDir(), "overwrite_behavior": "append_records"}
		},
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			return read(t, filepath.Join(config["output_path"].(string), filesink.Name(stream)+".csv"))
		},
	}
}

// read tells an empty field (NULL) from a quoted one.
func read(t testing.TB, path string) []targettest.Row {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var records [][]*string
	var record []*string
	var field []byte
	quoted, was := false, false
	end := func() {
		text := string(field)
		if text == "" && !was {
			record = append(record, nil)
		} else {
			record = append(record, &text)
		}
		field, was = nil, false
	}
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"' && quoted && i+1 < len(raw) && raw[i+1] == '"':
			field = append(field, '"')
			i++
		case c == '"':
			quoted, was = !quoted, true
		case c == ',' && !quoted:
			end()
		case c == '\n' && !quoted:
			end()
			records, record = append(records, record), nil
		default:
			field = append(field, c)
		}
	}
	rows := []targettest.Row{}
	for _, r := range records[1:] {
		if len(r) != len(records[0]) {
			t.Fatalf("a row of %d fields under %d columns in %q", len(r), len(records[0]), raw)
		}
		row := targettest.Row{}
		for i, name := range records[0] {
			row[*name] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func TestTarget(t *testing.T) { targettest.Run(t, subject()) }

func schema(stream, properties string) string {
	return `{"type":"SCHEMA","stream":"` + stream + `","schema":{"properties":{` + properties + `}},"key_properties":[]}`
}

func record(stream, body string) string {
	return `{"type":"RECORD","stream":"` + stream + `","record":` + body + `}`
}

// write runs lines into a fresh or given directory and returns the file.
func write(t *testing.T, dir string, settings map[string]any, file string, lines ...string) (string, error) {
	t.Helper()
	config := map[string]any{"output_path": dir}
	for k, v := range settings {
		config[k] = v
	}
	_, _, err := subject().Serve(t, config, nil, lines...)
	raw, _ := os.ReadFile(filepath.Join(dir, file))
	return string(raw), err
}

const ab = `"a":{"type":["null","string"]},"b":{"type":["null","integer"]}`

func TestFiles(t *testing.T) {
	basic := []string{schema("s", ab), record("s", `{"a":"x","b":1}`), record("s", `{"a":"","b":null}`), record("s", `{"a":"q\"uo,te\n","b":-5}`)}
	for _, c := range []struct {
		name     string
		settings map[string]any
		lines    []string
		file     string
		want     string
	}{
		{"NULL and quotes", nil, basic, "s.csv", "a,b\nx,1\n\"\",\n\"q\"\"uo,te\n\",-5\n"},
		{"delimiter, quote and escape", map[string]any{"delimiter": `\t`, "quotechar": "'", "escape_character": `\`}, []string{schema("s", ab), record("s", `{"a":"it's\ta \\","b":1}`)},
			"s.csv", "a\tb\n'it\\'s\ta \\\\'\t1\n"},
		{"byte order mark", map[string]any{"encoding": "utf-8-sig"}, basic[:2], "s.csv", "\ufeffa,b\nx,1\n"},
		{"charset", map[string]any{"encoding": "latin1"}, []string{schema("s", ab), record("s", `{"a":"ü","b":1}`)}, "s.csv", "a,b\n\xfc,1\n"},
		{"name", map[string]any{"file_naming_scheme": "sub/{stream_name}-x.csv"}, basic[:2], "sub/s-x.csv", "a,b\nx,1\n"},
		{"one column", nil, []string{schema("s", `"a":{"type":["null","string"]}`), record("s", `{"a":null}`), record("s", `{"a":"x"}`)}, "s.csv", "a\n\"\"\nx\n"},
		{"an empty stream", nil, basic[:1], "s.csv", "a,b\n"},
		{"columns appear", nil, append(basic[:2:2], schema("s", `"c":{"type":"string"},`+ab), record("s", `{"c":"y\n,","b":2}`)), "s.csv", "a,b,c\nx,1,\n,2,\"y\n,\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			got, err := write(t, dir, c.settings, c.file, c.lines...)
			if err != nil || got != c.want {
				t.Fatalf("%v\n%q, want\n%q", err, got, c.want)
			}
			again, err := write(t, dir, c.settings, c.file, c.lines...)
			if err != nil || again != c.want {
				t.Errorf("replaced: %v, %q", err, again)
			}
		})
	}
}

func TestAppendedColumnsWidenTheFile(t *testing.T) {
	for _, charset := range []string{"utf-8", "latin1", "utf-8-sig"} {
		dir := t.TempDir()
		settings := map[string]any{"overwrite_behavior": "append_records", "encoding": charset}
		write(t, dir, settings, "s.csv", schema("s", ab), record("s", `{"a":"ü\n","b":1}`))
		write(t, dir, settings, "s.csv", schema("s", `"b":{"type":"integer"},"a":{"type":"string"}`), record("s", `{"a":"y","b":2}`))
		got, err := write(t, dir, settings, "s.csv", schema("s", `"z":{"type":"string"},"a":{"type":"string"}`), record("s", `{"z":"","a":"é"}`))
		want := "a,b,z\n\"ü\n\",1,\ny,2,\né,,\"\"\n"
		switch charset {
		case "latin1":
			want = strings.NewReplacer("ü", "\xfc", "é", "\xe9").Replace(want)
		case "utf-8-sig":
			want = "\ufeff" + want
		}
		if err != nil || got != want {
			t.Errorf("%s: %v\n%q, want\n%q", charset, err, got, want)
		}
	}
}

func TestCompressedFilesAreAppendedToAndWidened(t *testing.T) {
	for _, c := range []struct{ compression, file string }{{"gzip", "s.csv.gz"}, {"zstd", "s.csv.zst"}} {
		dir := t.TempDir()
		settings := map[string]any{"overwrite_behavior": "append_records", "compression": c.compression}
		want := "a,b\n"
		for range 2 {
			if _, err := write(t, dir, settings, c.file, schema("s", ab), record("s", `{"a":"x","b":1}`)); err != nil {
				t.Fatal(err)
			}
			want += "x,1\n"
			if got := text(t, filepath.Join(dir, c.file)); got != want {
				t.Errorf("%s: %q, want %q", c.compression, got, want)
			}
		}
		if _, err := write(t, dir, settings, c.file, schema("s", `"z":{"type":"string"},"a":{"type":"string"}`), record("s", `{"z":"","a":"y"}`)); err != nil {
			t.Fatal(err)
		}
		if got := text(t, filepath.Join(dir, c.file)); got != "a,b,z\nx,1,\nx,1,\ny,,\"\"\n" {
			t.Errorf("%s, widened: %q", c.compression, got)
		}
		os.WriteFile(filepath.Join(dir, c.file), []byte("a,b\nplain,1\n"), 0o666)
		if _, err := write(t, dir, settings, c.file, schema("s", ab), record("s", `{"a":"x","b":1}`)); fault.CodeOf(err) != fault.BadConfig {
			t.Errorf("%s behind plain text: %v", c.compression, err)
		}
	}
}

// text is what a compressed file holds, as another reader than ours sees it.
func text(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader
	if strings.HasSuffix(path, ".gz") {
		in, err = gzip.NewReader(f)
	} else {
		var z *zstd.Decoder
		z, err = zstd.NewReader(f)
		defer z.Close()
		in = z
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestSettingsThatCannotBe(t *testing.T) {
	for settings, want := range map[string]string{
		`{"delimiter":"ab"}`:                     `"delimiter" is "ab"`,
		`{"delimiter":"\""}`:                     "must differ",
		`{"encoding":"utf-16"}`:                  `"utf-16" cannot be written`,
		`{"encoding":"klingon"}`:                 `"klingon" cannot be written`,
		`{"record_sort_property_name":"id"}`:     "record_sort_property_name",
		`{"timestamp_timezone":"Mars/Olympus"}`:  "timestamp_timezone",
		`{"file_naming_scheme":"{strema}.csv"}`:  "unknown {strema}",
		`{"overwrite_behavior":"append_recods"}`: `"append_recods"`,
	} {
		var m map[string]any
		json.Unmarshal([]byte(settings), &m)
		_, err := write(t, t.TempDir(), m, "s.csv")
		if fault.CodeOf(err) != fault.BadConfig || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	if _, err := write(t, t.TempDir(), map[string]any{"encoding": "latin1"}, "s.csv", schema("s", ab), record("s", `{"a":"😀"}`)); err == nil || !strings.Contains(err.Error(), "latin1") {
		t.Errorf("an emoji in latin1: %v", err)
	}
	if _, err := write(t, t.TempDir(), map[string]any{"file_naming_scheme": "one.csv"}, "s.csv", schema("s", ab), schema("t", ab)); err == nil || !strings.Contains(err.Error(), "streams s and t would write the same file") {
		t.Errorf("two streams, one file: %v", err)
	}
}
