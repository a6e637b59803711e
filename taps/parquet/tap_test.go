package parquet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"elt/internal/fault"
	"elt/taps"
	"elt/taps/taptest"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// serve runs the tap as a process would and returns its records and last state.
func serve(t *testing.T, config, state, catalog string) (records []string, last string, err error) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--config", write(t, filepath.Join(dir, "config.json"), config)}
	if state != "" {
		args = append(args, "--state", write(t, filepath.Join(dir, "state.json"), state))
	}
	if catalog != "" {
		args = append(args, "--catalog", write(t, filepath.Join(dir, "catalog.json"), catalog))
	}
	var out, errs bytes.Buffer
	err = taps.Serve(t.Context(), New(), args, taps.IO{Out: &out, Err: &errs}, nil)
	for line := range strings.Lines(out.String()) {
		var m struct {
			Type          string
			Record, Value json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case "RECORD":
			records = append(records, string(m.Record))
		case "STATE":
			last = string(m.Value)
		}
	}
	return records, last, err
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("records\n%s\nwant\n%s", g, w)
	}
}

type order struct {
	ID   int64   `parquet:"id"`
	Name *string `parquet:"name,optional"`
}

func store[T any](t *testing.T, path string, rows ...T) string {
	t.Helper()
	if err := parquet.WriteFile(path, rows, parquet.MaxRowsPerRowGroup(1500)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSuite(t *testing.T) {
	path := store(t, filepath.Join(t.TempDir(), "orders.parquet"), make([]order, 4000)...)
	taptest.Run(t, New(), map[string]any{"add_file_columns": true, "files": []any{map[string]any{"entity": "orders", "path": path}}},
		taptest.Expect{Rows: map[string]int{"orders": 4000}, Resumed: map[string]int{"orders": 0}})
	taptest.Run(t, New(), map[string]any{"files": []any{map[string]any{"entity": "orders", "path": path}}},
		taptest.Expect{Rows: map[string]int{"orders": 4000}, Resumed: map[string]int{"orders": 0}})
}

func TestOnlyNewAndChangedFilesAreRead(t *testing.T) {
	t.Chdir(t.TempDir())
	os.Mkdir("d", 0o777)
	config := `{"files":[{"entity":"o","path":"d/**/*.parquet"}]}`
	x := "x"
	store(t, "d/a.parquet", order{1, &x}, order{2, nil})
	got, state, err := serve(t, config, "", "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":1,"name":"x"}`, `{"id":2,"name":null}`)
	store(t, "d/b.parquet", struct {
		ID   int64   `parquet:"id"`
		More float64 `parquet:"more"`
	}{3, 0.5})
	got, state, err = serve(t, config, state, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":3,"name":null,"more":0.5}`)
	store(t, "d/a.parquet", order{1, &x}, order{2, nil}, order{4, nil})
	got, _, err = serve(t, config, state, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":1,"name":"x","more":null}`, `{"id":2,"name":null,"more":null}`, `{"id":4,"name":null,"more":null}`)
}

func TestFileColumns(t *testing.T) {
	t.Chdir(t.TempDir())
	store(t, "a.parquet", order{ID: 5}, order{ID: 6})
	got, _, err := serve(t, `{"add_file_columns":true,"files":[{"entity":"o","path":"a.parquet"}]}`, "", "")
	if err != nil || len(got) != 2 || !strings.HasPrefix(got[1], `{"id":6,"name":null,"_file":"a.parquet","_line":2,"_modified":"20`) {
		t.Errorf("%v, %v", got, err)
	}
}

// A run that broke off goes on in the middle of a file, in any row group.
func TestGoesOnInTheMiddleOfAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	rows := make([]order, 4000)
	for i := range rows {
		rows[i].ID = int64(i)
	}
	store(t, "a.parquet", rows...)
	info, err := os.Stat("a.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, done := range []int{1, 1500, 3999} {
		mark, _ := json.Marshal(map[string]any{"bookmarks": map[string]any{"o": map[string]any{"files": map[string]any{
			"a.parquet": map[string]any{"size": info.Size(), "mtime": info.ModTime().UnixNano(), "rows": done}}}}})
		got, _, err := serve(t, `{"files":[{"entity":"o","path":"a.parquet"}]}`, string(mark), "")
		if err != nil {
			t.Fatal(err)
		}
		var first order
		if json.Unmarshal([]byte(got[0]), &first); len(got) != 4000-done || first.ID != int64(done) {
			t.Errorf("after %d rows: %d more, from %d on", done, len(got), first.ID)
		}
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "broken.parquet", "PAR1 this is not one PAR1")
	store(t, "ok.parquet", order{1, nil})
	for config, message := range map[string]string{
		`{"files":[{"entity":"a","path":"broken.parquet"}]}`:            "broken.parquet cannot be read as Parquet",
		`{"files":[{"entity":"a","path":"ok.parquet","keys":["idd"]}]}`: "did you mean \"id\"?",
		`{"files":[{"entity":"a","path":"none*.parquet"}]}`:             "no file matches",
		`{"files":[]}`: "there are no files to read",
		`{"files":[{"entity":"a","path":"ok.parquet"},{"entity":"a","path":"ok.parquet"}]}`: "two entries of files are called",
	} {
		if _, _, err := serve(t, config, "", ""); err == nil || !strings.Contains(fault.Render(err), message) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

type person struct {
	Name *string            `parquet:"name,optional"`
	Tags []string           `parquet:"tags,list"`
	Bare []int32            `parquet:"bare"`
	Map  map[string]float64 `parquet:"map"`
}

type nested struct {
	ID     int64    `parquet:"id"`
	Who    *person  `parquet:"who,optional"`
	Others []person `parquet:"others,list"`
	Days   []int32  `parquet:"days,optional,list"`
}

// Nested columns become JSON; where a run goes on does not matter.
func TestNestedColumns(t *testing.T) {
	t.Chdir(t.TempDir())
	ann := "Ann\""
	rows := make([]nested, 2000)
	for i := range rows {
		rows[i].ID = int64(i)
		switch i % 3 {
		case 1:
			rows[i].Who = &person{Name: &ann, Tags: []string{"x", "y"}, Map: map[string]float64{"k": 0.5}}
			rows[i].Others = []person{{Bare: []int32{1, 2}}, {Tags: []string{}}, {Name: &ann}}
		case 2:
			rows[i].Days = []int32{7}
		}
	}
	store(t, "a.parquet", rows...)
	config := `{"files":[{"entity":"o","path":"a.parquet"}]}`
	want := func(id int) string {
		switch id % 3 {
		case 1:
			return fmt.Sprintf(`{"id":%d,"who":{"name":"Ann\"","tags":["x","y"],"bare":[],"map":{"k":0.5}},"others":[{"name":null,"tags":[],"bare":[1,2],"map":{}},{"name":null,"tags":[],"bare":[],"map":{}},{"name":"Ann\"","tags":[],"bare":[],"map":{}}],"days":null}`, id)
		case 2:
			return fmt.Sprintf(`{"id":%d,"who":null,"others":[],"days":[7]}`, id)
		}
		return fmt.Sprintf(`{"id":%d,"who":null,"others":[],"days":null}`, id)
	}
	info, err := os.Stat("a.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, done := range []int{0, 1, 1499, 1501} {
		mark, _ := json.Marshal(map[string]any{"bookmarks": map[string]any{"o": map[string]any{"files": map[string]any{
			"a.parquet": map[string]any{"size": info.Size(), "mtime": info.ModTime().UnixNano(), "rows": done}}}}})
		got, _, err := serve(t, config, string(mark), "")
		if err != nil || len(got) != 2000-done {
			t.Fatalf("%d rows after %d, %v", len(got), done, err)
		}
		for i, record := range got {
			if record != want(i+done) {
				t.Fatalf("row %d is\n%s, want\n%s", i+done, record, want(i+done))
			}
		}
	}
}
