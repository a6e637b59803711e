package parquet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type sale struct {
	ID int64 `parquet:"id"`
}

// trees writes a file into each folder, whose row has the folder's number.
func trees(t *testing.T, folders ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for n, folder := range folders {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		store(t, filepath.Join(folder, "f.parquet"), sale{int64(n)})
	}
}

// Trees as Hive and Spark write them have types that lose nothing.
func TestFoldersAreColumns(t *testing.T) {
	trees(t, "t/day=2024-01-02/n=7/zip=00501/city=Z%C3%BCrich%2FWest", "t/day=2023-12-31/n=-1/zip=8001/city=__HIVE_DEFAULT_PARTITION__",
		"t/day=2023-12-31/n=__HIVE_DEFAULT_PARTITION__/plain")
	got, state, err := serve(t, `{"files":[{"entity":"s","path":"t/**/*.parquet"}]}`, "", "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":1,"day":"2023-12-31","n":-1,"zip":"8001","city":null}`, `{"id":2,"day":"2023-12-31","n":null,"zip":null,"city":null}`,
		`{"id":0,"day":"2024-01-02","n":7,"zip":"00501","city":"Zürich/West"}`)
	if got, _, err = serve(t, `{"files":[{"entity":"s","path":"t/**/*.parquet"}]}`, state, ""); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTypesOfFoldersCanBeSaid(t *testing.T) {
	trees(t, "t/month=01/ok=true", "t/month=12/ok=false")
	got, _, err := serve(t, `{"files":[{"entity":"s","path":"t/**"}],"hive_types":{"month":"integer","ok":"boolean"}}`, "", "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":0,"month":1,"ok":true}`, `{"id":1,"month":12,"ok":false}`)
	for config, want := range map[string]string{
		`"hive_types":{"month":"intger"}`: `type "intger"`,
		`"hive_types":{"ok":"integer"}`:   `holds no int64: "true"`,
	} {
		_, _, err := serve(t, `{"files":[{"entity":"s","path":"t/**"}],`+config+`}`, "", "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	got, _, err = serve(t, `{"files":[{"entity":"s","path":"t/**"}],"hive_partitioning":false}`, "", "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":0}`, `{"id":1}`)
}

// A column that the file has itself is that of the file.
func TestColumnsOfTheFileComeFirst(t *testing.T) {
	trees(t, "t/id=99/x=1")
	got, _, err := serve(t, `{"files":[{"entity":"s","path":"t/**","keys":["x"]}]}`, "", "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"id":0,"x":1}`)
}
