package foreign

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// partitioned reads a tree of partitions with pyarrow and DuckDB, and writes one with each.
const partitioned = `
import sys, json, pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq, duckdb
tree, others = sys.argv[1:]
show = lambda rows: [print(json.dumps(r, default=str, ensure_ascii=False)) for r in sorted(map(list, rows), key=lambda r: r[0])]
hive = ds.partitioning(pa.schema([("city", pa.string()), ("day", pa.date32())]), flavor="hive")
show([(r["id"], r["city"], r["day"]) for r in ds.dataset(tree, format="parquet", partitioning=hive).to_table().to_pylist()])
show(duckdb.sql(f"select id, city, day from read_parquet('{tree}/**/*.parquet', hive_types={{'city': VARCHAR, 'day': DATE}})").fetchall())
t = pa.table({"id": [1, 2, 3], "city": ["a/b ü", None, "x"], "n": [1, 2, None]})
pq.write_to_dataset(t, others + "/pyarrow", partition_cols=["city", "n"])
duckdb.sql(f"copy t to '{others}/duckdb' (format parquet, partition_by (city, n))")
`

// Partitions of target-parquet are read by others, those of others by tap-parquet.
func TestParquetPartitionsElsewhere(t *testing.T) {
	bin := venv(t, pyarrow, duckdb)
	p := project(t, "tap-parquet", "files: [{entity: t, path: \"others/*/**/*.parquet\"}]", "target-parquet", "destination_path: out\n      partition_cols: [city, day]")
	cities := []string{`"Zürich"`, `"a/b%c"`, `"x=y"`, `"00501"`, `"\"hi\" 'you'"`, `"[1]^{2}"`, `"a b+c"`, `null`}
	messages := `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"city":{"type":["null","string"]},"day":{"type":["null","string"],"format":"date"}}},"key_properties":[]}` + "\n"
	var want string
	for i, city := range cities {
		day := fmt.Sprintf(`"2024-01-0%d"`, 1+i%3)
		if i == 4 {
			day = "null"
		}
		messages += fmt.Sprintf(`{"type":"RECORD","stream":"s","record":{"id":%d,"city":%s,"day":%s}}`+"\n", i, city, day)
		want += fmt.Sprintf("[%d, %s, %s]\n", i, city, day)
	}
	if r := command(t, p, []string{"NO_COLOR=1"}, []byte(messages), elt, "invoke", "target-parquet"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	r := command(t, p, nil, []byte(partitioned), filepath.Join(bin, "python"), "-", filepath.Join(p, "out"), filepath.Join(p, "others"))
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	if r.stdout != want+want {
		t.Errorf("got\n%s\nwant twice\n%s", r.stdout, want)
	}
	seen := map[string]int{}
	for _, line := range mustRun(t, p, "invoke", "tap-parquet").lines() {
		var message struct {
			Record json.RawMessage
		}
		if json.Unmarshal([]byte(line), &message) == nil && strings.Contains(line, `"RECORD"`) {
			seen[string(message.Record)]++
		}
	}
	for _, record := range []string{`{"id":1,"n":1,"city":"a/b ü"}`, `{"id":2,"n":2,"city":null}`, `{"id":3,"n":null,"city":"x"}`} {
		if seen[record] != 2 || len(seen) != 3 {
			t.Errorf("%s was read %d times of 2: %v", record, seen[record], seen)
		}
	}
}
