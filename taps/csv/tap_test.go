package csv

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/files"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// sink keeps what a tap says, as text.
type sink struct {
	said      []string // "kind name=value|…", "end"
	positions map[string]json.RawMessage
}

func (s *sink) Parallel() int               { return 1 }
func (s *sink) Acked() <-chan taps.Position { return nil }
func (s *sink) Stream(_ context.Context, schema *row.Schema) (taps.Stream, error) {
	st := &stream{sink: s}
	return st, st.Schema(schema)
}

type stream struct{ sink *sink }

func (s *stream) Schema(schema *row.Schema) error {
	var parts []string
	for _, c := range schema.Columns {
		text := c.Name + ":" + c.Kind.String()
		parts = append(parts, text)
	}
	s.sink.said = append(s.sink.said, "schema "+strings.Join(parts, ","))
	return nil
}

func (s *stream) Write(b *row.Batch) error {
	for i := range b.Len() {
		var parts []string
		f := b.Fields(i)
		for n := range b.Schema.Columns {
			v, st := f.Next()
			if st != row.Value {
				parts = append(parts, "∅")
				continue
			}
			parts = append(parts, string(row.AppendText(nil, &b.Schema.Columns[n], v)))
		}
		s.sink.said = append(s.sink.said, strings.Join(parts, "|"))
	}
	b.Release()
	return nil
}

func (s *stream) Position(p taps.Position) error {
	s.sink.positions[p.Stream] = p.Value
	return nil
}
func (s *stream) Activate(int64) error { return nil }
func (s *stream) End() error           { s.sink.said = append(s.sink.said, "end"); return nil }
func (s *stream) Close() error         { return nil }

// sync runs the tap in a folder; the state goes from one call to the next.
func sync(t *testing.T, config string, state *singer.Bookmarks) ([]string, error) {
	t.Helper()
	cfg, _, err := New().Spec().Resolve([]byte(config))
	if err != nil {
		return nil, err
	}
	out := &sink{positions: map[string]json.RawMessage{}}
	if err := New().Sync(context.Background(), cfg, nil, *state, out); err != nil {
		return out.said, err
	}
	*state, err = state.With(out.positions)
	return out.said, err
}

func want(t *testing.T, got []string, err error, lines ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if g, w := strings.Join(got, "\n"), strings.Join(lines, "\n"); g != w {
		t.Errorf("the tap says\n%s\nwant\n%s", g, w)
	}
}

func put1(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTextByDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "id,name,note\n007,\"two\nlines\",\n8,é\n")
	got, err := sync(t, `{"files":[{"entity":"a","path":"a.csv","keys":["id"]}]}`, &singer.Bookmarks{})
	want(t, got, err, "schema id:text,name:text,note:text", "007|two\nlines|", "8|é|∅", "end")
}

func TestInference(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "n,d,day,at,ok,code,big,none\n1,1.50,2024-02-29,2024-01-01T10:00:00Z,true,007,99999999999999999999,\n-2,3,2024-03-01,2024-01-01 10:00:00+02,FALSE,8,1,\n,,,,,,,\n")
	got, err := sync(t, `{"infer":true,"files":[{"entity":"a","path":"a.csv","keys":[]}]}`, &singer.Bookmarks{})
	want(t, got, err, "schema n:int64,d:numeric,day:date,at:timestamptz,ok:bool,code:text,big:numeric,none:text",
		"1|1.50|2024-02-29|2024-01-01T10:00:00+00:00|true|007|99999999999999999999|",
		"-2|3|2024-03-01|2024-01-01T08:00:00+00:00|false|8|1|",
		"∅|∅|∅|∅|∅||∅|", "end")
}

func TestALaterValueWidensItsColumn(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "n\n"+strings.Repeat("1\n", sampleRows)+"2.5\n3\nx\n")
	got, err := sync(t, `{"infer":true,"files":[{"entity":"a","path":"a.csv"}]}`, &singer.Bookmarks{})
	if err != nil {
		t.Fatal(err)
	}
	tail := got[1+sampleRows:]
	want(t, tail, nil, "schema n:numeric", "2.5", "3", "schema n:text", "x", "end")
}

func TestUnchangedFilesAreSkippedAndGrownOnesGoOn(t *testing.T) {
	t.Chdir(t.TempDir())
	config := `{"files":[{"entity":"a","path":"*.csv"}]}`
	var state singer.Bookmarks
	put1(t, "1.csv", "id\n1\n2\n")
	got, err := sync(t, config, &state)
	want(t, got, err, "schema id:text", "1", "2", "end")
	got, err = sync(t, config, &state)
	want(t, got, err, "schema id:text", "end")

	put1(t, "2.csv", "id\n3\n")
	put1(t, "1.csv", "id\n1\n2\n2b\n")
	got, err = sync(t, config, &state)
	want(t, got, err, "schema id:text", "2b", "3", "end")

	later := time.Now().Add(time.Hour) // touched, not changed
	if err := os.Chtimes("1.csv", later, later); err != nil {
		t.Fatal(err)
	}
	got, err = sync(t, config, &state)
	want(t, got, err, "schema id:text", "end")

	put1(t, "1.csv", "id\n1\n9\n2b\n") // changed inside
	got, err = sync(t, config, &state)
	want(t, got, err, "schema id:text", "1", "9", "2b", "end")
}

func TestABrokenOffFileGoesOnWhereItWas(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "id\n1\n2\n3\n")
	info, err := os.Stat("a.csv")
	if err != nil {
		t.Fatal(err)
	}
	value, _ := files.Bookmark{Files: map[string]files.Mark{"a.csv": {Size: info.Size(), Mtime: info.ModTime().UnixNano(), Rows: 2}}}.Value()
	state, _ := singer.Bookmarks{}.With(map[string]json.RawMessage{"a": value})
	got, err := sync(t, `{"files":[{"entity":"a","path":"a.csv"}]}`, &state)
	want(t, got, err, "schema id:text", "3", "end")
}

func TestCompressionAndEncodings(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "id,name\n1,é€\n"
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write([]byte(text))
	g.Close()
	z, _ := zstd.NewWriter(&zst)
	z.Write([]byte(text))
	z.Close()
	put1(t, "gz.csv", gz.String())
	put1(t, "zst.csv", zst.String())
	put1(t, "bom.csv", "\xef\xbb\xbf"+text)
	put1(t, "utf16.csv", "\xff\xfei\x00d\x00,\x00n\x00a\x00m\x00e\x00\n\x001\x00,\x00\xe9\x00\xac\x20\n\x00")
	for _, name := range []string{"gz", "zst", "bom", "utf16"} {
		got, err := sync(t, `{"files":[{"entity":"a","path":"`+name+`.csv"}]}`, &singer.Bookmarks{})
		want(t, got, err, "schema id:text,name:text", "1|é€", "end")
	}
	put1(t, "latin.csv", "id,name\n1,\xe9\n")
	got, err := sync(t, `{"files":[{"entity":"a","path":"latin.csv","encoding":"latin_1"}]}`, &singer.Bookmarks{})
	want(t, got, err, "schema id:text,name:text", "1|é", "end")
}

func TestMetadataColumnsAndDifferentHeaders(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "1.csv", "a,b\n1,2\n")
	put1(t, "2.csv", "b,c\n3,4\n")
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	os.Chtimes("1.csv", at, at)
	os.Chtimes("2.csv", at, at)
	got, err := sync(t, `{"add_metadata_columns":true,"files":[{"entity":"x","path":"*.csv"}]}`, &singer.Bookmarks{})
	want(t, got, err, "schema a:text,b:text,c:text,_sdc_source_file:text,_sdc_source_file_mtime:timestamptz,_sdc_source_lineno:int64",
		"1|2|∅|1.csv|2024-01-02T03:04:05+00:00|2", "∅|3|4|2.csv|2024-01-02T03:04:05+00:00|2", "end")
}

func TestDefinitionFileAndFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	os.Mkdir("in", 0o755)
	put1(t, filepath.Join("in", "a.csv"), "id\n1\n")
	put1(t, filepath.Join("in", "b.txt"), "no\n")
	put1(t, "files.json", `[{"entity":"a","path":"in"}]`)
	got, err := sync(t, `{"csv_files_definition":"files.json"}`, &singer.Bookmarks{})
	want(t, got, err, "schema id:text", "1", "end")
}

func TestMistakesAreExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "long.csv", "a,b\n1,2\n1,2,3\n")
	put1(t, "open.csv", "a,b\n1,\"2\n")
	put1(t, "bad.csv", "a\n\xff\n")
	put1(t, "key.csv", "ident,b\n1,2\n")
	put1(t, "nokey.csv", "id,b\n1,2\n,3\n")
	for config, message := range map[string]string{
		`{}`: "tap-csv: there are no files to read\nhint: set files, for example " + filesExample,
		`{"files":[{"entity":"a","path":"none.csv"}]}`:                             "stream \"a\": tap-csv: the file of entity \"a\" cannot be read: stat none.csv: no such file or directory\nhint: relative paths start at the project folder",
		`{"files":[{"entity":"a","path":"x*.csv"}]}`:                               "stream \"a\": tap-csv: no file matches \"x*.csv\" of entity \"a\"\nhint: relative paths start at the project folder",
		`{"files":[{"entity":"a","path":"key.csv","keys":["idnt"]}]}`:              "stream \"a\": tap-csv: key \"idnt\" of entity \"a\" is no column of key.csv\nhint: did you mean \"ident\"?",
		`{"files":[{"entity":"a","path":"key.csv","delimiter":"||"}]}`:             "tap-csv: delimiter of entity \"a\" is \"||\", but must be one ASCII character",
		`{"files":[{"entity":"a","path":"long.csv"}]}`:                             "stream \"a\": long.csv:3: the row has 3 fields, but the header has 2\nhint: check delimiter and quotechar of entity \"a\"",
		`{"files":[{"entity":"a","path":"open.csv"}]}`:                             "stream \"a\": open.csv:2: the CSV cannot be read: a quoted field is never closed\nhint: check quotechar, escapechar and encoding of this file",
		`{"files":[{"entity":"a","path":"bad.csv"}]}`:                              "stream \"a\": bad.csv:2: column \"a\" is not UTF-8\nhint: set encoding of entity \"a\", for example latin-1 or windows-1252",
		`{"infer":true,"files":[{"entity":"a","path":"nokey.csv","keys":["id"]}]}`: "stream \"a\": nokey.csv:3: key column \"id\" is empty\nhint: choose other keys for entity \"a\", or none",
		`{"files":[{"entity":"a","path":"key.csv","encoding":"klingon"}]}`:         "stream \"a\": tap-csv: the encoding \"klingon\" of entity \"a\" is unknown\nhint: use a name such as utf-8, utf-16, latin-1 or windows-1252",
	} {
		_, err := sync(t, config, &singer.Bookmarks{})
		if err == nil {
			t.Errorf("%s is accepted", config)
		} else if got := fault.Render(err); got != message {
			t.Errorf("%s:\n got %s\nwant %s", config, got, message)
		}
	}
}

func TestOneBadStreamStopsNoOther(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "a\n\xff\n")
	put1(t, "b.csv", "b\n1\n")
	got, err := sync(t, `{"files":[{"entity":"a","path":"a.csv"},{"entity":"b","path":"b.csv"}]}`, &singer.Bookmarks{})
	if err == nil || !strings.Contains(err.Error(), `stream "a"`) {
		t.Errorf("the error is %v", err)
	}
	if all := strings.Join(got, "\n"); !strings.HasSuffix(all, "schema b:text\n1\nend") {
		t.Errorf("the tap says %q", all)
	}
}

func TestDiscover(t *testing.T) {
	t.Chdir(t.TempDir())
	put1(t, "a.csv", "id,n\n1,2\n")
	cfg, _, err := New().Spec().Resolve([]byte(`{"infer":true,"files":[{"entity":"a","path":"a.csv","keys":["id"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := New().Discover(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := catalog.Stream("a")
	if s == nil || strings.Join(s.Keys(), ",") != "id" || strings.Join(s.Properties(), ",") != "id,n" {
		t.Errorf("the catalog holds %+v", s)
	}
}
