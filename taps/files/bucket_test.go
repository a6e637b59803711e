package files_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"elt/internal/fake/azblob"
	"elt/internal/fake/gcs"
	"elt/internal/fake/objects"
	"elt/internal/fake/s3"
	"elt/internal/fault"
	"elt/taps"
	"elt/taps/csv"
	"elt/taps/jsonl"
	tapparquet "elt/taps/parquet"
	"elt/taps/taptest"
)

// bucket is a vendor's fake, and the settings that lead to it.
type bucket struct {
	*objects.Bucket
	url    string
	access map[string]any
}

func buckets(t *testing.T) map[string]bucket {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	a, g, z := s3.Start("lake"), gcs.Start("lake"), azblob.Start("lake")
	t.Cleanup(a.Close)
	t.Cleanup(g.Close)
	t.Cleanup(z.Close)
	return map[string]bucket{
		"s3": {a.Bucket, "s3://lake/", map[string]any{"aws_access_key_id": s3.Key, "aws_secret_access_key": s3.Secret, "aws_region": s3.Region, "aws_endpoint_url": a.URL}},
		"gs": {g.Bucket, "gs://lake/", map[string]any{"gcs_endpoint": g.URL, "gcs_credentials": g.Credentials()}},
		"az": {z.Bucket, "az://lake/", map[string]any{"azure_storage_account": azblob.Account, "azure_storage_key": azblob.Key, "azure_storage_endpoint": z.URL}},
	}
}

func (b bucket) put(t *testing.T, key string, data []byte) {
	t.Helper()
	if _, err := b.Put(key, data, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// config is the settings for one stream of a path of the bucket.
func (b bucket) config(path string, more map[string]any) map[string]any {
	c := maps.Clone(b.access)
	maps.Copy(c, more)
	c["files"] = []any{map[string]any{"entity": "s", "path": b.url + path}}
	return c
}

// serve runs a tap as a process would and returns its records and last state.
func serve(t *testing.T, tap taps.Tap, config map[string]any, state string) (records []string, last string, err error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	raw, _ := json.Marshal(config)
	args := []string{"--config", write("config.json", raw)}
	if state != "" {
		args = append(args, "--state", write("state.json", []byte(state)))
	}
	var out, errs bytes.Buffer
	err = taps.Serve(t.Context(), tap, args, taps.IO{Out: &out, Err: &errs}, nil)
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

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

// Only the files below the prefix are read, and each once, whatever the
// service does in between.
func TestFilesOfABucket(t *testing.T) {
	for scheme, b := range buckets(t) {
		t.Run(scheme, func(t *testing.T) {
			b.put(t, "raw/orders/2024/01/a.csv", []byte("n\n1\n2\n"))
			b.put(t, "raw/orders/2024/02/b.csv.gz", packed("n\n3\n"))
			b.put(t, "raw/orders/_elt_rejects.csv", []byte("n\n9\n"))
			b.put(t, "raw/others/c.csv", []byte("n\n9\n"))
			config := b.config("raw/orders/**/*.csv*", map[string]any{"add_file_columns": true})
			b.Fail(2, 503)
			b.Cut(2)
			got, state, err := serve(t, csv.New(), config, "")
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i], _, _ = strings.Cut(got[i], `,"_modified"`)
			}
			same(t, got, fmt.Sprintf(`{"n":"1","_file":"%sraw/orders/2024/01/a.csv","_line":1`, b.url),
				fmt.Sprintf(`{"n":"2","_file":"%sraw/orders/2024/01/a.csv","_line":2`, b.url),
				fmt.Sprintf(`{"n":"3","_file":"%sraw/orders/2024/02/b.csv.gz","_line":1`, b.url))
			b.put(t, "raw/orders/2024/03/d.csv", []byte("n\n4\n"))
			got, _, err = serve(t, csv.New(), config, state)
			if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], `{"n":"4",`) {
				t.Errorf("%v, %v", got, err)
			}
			b.put(t, "lines/a.jsonl", []byte("{\"n\":1}\n"))
			b.put(t, "lines/deeper/b.jsonl", []byte("{\"n\":9}\n"))
			got, _, err = serve(t, jsonl.New(), b.config("lines", nil), "") // a folder
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, `{"n":1}`)
			for path, says := range map[string]string{"none/*.csv": "no file matches", "none": "holds no .csv or .tsv file"} {
				if _, _, err := serve(t, csv.New(), b.config(path, nil), ""); err == nil || !strings.Contains(fault.Render(err), says) {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

// Of a Parquet file only the columns that are wanted are asked for.
func TestParquetOfABucket(t *testing.T) {
	type wide struct {
		ID   int64  `parquet:"id"`
		Text string `parquet:"text"`
	}
	rows := make([]wide, 5000)
	for i := range rows {
		rows[i] = wide{int64(i), strings.Repeat(fmt.Sprint(i), 20)}
	}
	var file bytes.Buffer
	if err := parquet.Write(&file, rows, parquet.MaxRowsPerRowGroup(1500)); err != nil {
		t.Fatal(err)
	}
	for scheme, b := range buckets(t) {
		t.Run(scheme, func(t *testing.T) {
			b.put(t, "t/a.parquet", file.Bytes())
			taptest.Run(t, tapparquet.New(), b.config("t/", nil), taptest.Expect{Rows: map[string]int{"s": 5000}, Resumed: map[string]int{"s": 0}})
			b.Cut(1)
			got, _, err := serve(t, tapparquet.New(), b.config("t/a.parquet", nil), "")
			if err != nil || len(got) != 5000 || got[4999] != fmt.Sprintf(`{"id":4999,"text":%q}`, rows[4999].Text) {
				t.Errorf("%d rows, %v", len(got), err)
			}
		})
	}
}
