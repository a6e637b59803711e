package singer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func batchMessage(format, compression, manifest string) string {
	return fmt.Sprintf(`{"type":"BATCH","stream":"s","encoding":{"format":%q,"compression":%q},"manifest":[%s],"version":3}`, format, compression, manifest)
}

func TestBatchFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, "{\"id\": 1, \"v\": \"a\"}\n\n{\"id\": 2}\n")
	z.Close()
	if err := os.MkdirAll("sub dir", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"one.jsonl.gz": zipped.Bytes(), "sub dir/two.jsonl": []byte(`{"id":3,"v":"c"}`), "bad.jsonl": []byte("{\"id\":4}\n{\"id\":null}\n")} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := readLines(t, ReaderOptions{}, keyedSchema, recordOf(`"id":0`),
		batchMessage("jsonl", "gzip", `"file://`+filepath.ToSlash(dir)+`/one.jsonl.gz"`),
		batchMessage("JSONL", "none", `"file://sub%20dir/two.jsonl","sub dir/two.jsonl"`), recordOf(`"id":9`))
	same(t, got, "schema s(id int64 not null, v text) key id", "s: 0|NULL", "s: 1|a", "s: 2|NULL", "s: 3|c", "s: 3|c", "s: 9|NULL")

	for message, want := range map[string]string{
		batchMessage("jsonl", "none", `"bad.jsonl"`):                  `bad.jsonl, line 2 (BATCH of line 2), stream "s": key property "id" is null`,
		batchMessage("parquet", "none", `"x"`):                        `line 2, stream "s": a BATCH of format "parquet" cannot be read`,
		batchMessage("jsonl", "zstd", `"x"`):                          `line 2, stream "s": a BATCH compressed by "zstd" cannot be read`,
		batchMessage("jsonl", "none", `"s3://bucket/key"`):            `line 2, stream "s": read the BATCH file s3://bucket/key: only files can be read, not s3://`,
		batchMessage("jsonl", "none", `"none.jsonl"`):                 `line 2, stream "s": read the BATCH file none.jsonl: open none.jsonl: no such file or directory`,
		batchMessage("jsonl", "gzip", `"bad.jsonl"`):                  `line 2, stream "s": read the BATCH file bad.jsonl: gzip: invalid header`,
		`{"type":"BATCH","stream":"s","encoding":{"format":"jsonl"}}`: `line 2, stream "s": a BATCH without a manifest`,
		`{"type":"BATCH","stream":"t"}`:                               `line 2, stream "t": a BATCH before the stream's SCHEMA`,
	} {
		got := readLines(t, ReaderOptions{}, keyedSchema, message)
		if last := got[len(got)-1]; !strings.HasPrefix(last, "error: "+want) {
			t.Errorf("%s\ngot  %s\nwant error: %s", message, last, want)
		}
	}
}
