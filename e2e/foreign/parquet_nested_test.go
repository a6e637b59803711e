package foreign

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const duckdb = "duckdb==2.0.0"

// nestedOf writes lists, structs and maps, in the encodings and codecs that
// pyarrow knows.
const nestedOf = `
import sys, pyarrow as pa, pyarrow.parquet as pq
n = 3000
def col(values, type): return pa.array([values[i % len(values)] for i in range(n)], type)
t = pa.table({
  "i": col([5, -1, None, 2**31 - 1], pa.int32()), "s": col(["abc", "abd", "", None], pa.string()), "f": col([0.1, None, -3.0], pa.float64()),
  "l": col([[1, None], [], None], pa.list_(pa.int64())),
  "st": col([{"a": "x", "b": [{"c": 1.5}]}, None, {"a": None, "b": None}], pa.struct([("a", pa.string()), ("b", pa.list_(pa.struct([("c", pa.float64())])))])),
  "m": col([[("k", 1), ("j", None)], [], None], pa.map_(pa.string(), pa.int64())),
  "mi": col([[(7, True)]], pa.map_(pa.int32(), pa.bool_())),
  "b": col([True] * 10 + [False] * 7 + [None], pa.bool_()),
})
plain = dict(use_dictionary=False, data_page_size=400)
for name, options in {
  "delta": dict(column_encoding={"i": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "f": "BYTE_STREAM_SPLIT"}, data_page_version="2.0", compression="brotli", **plain),
  "lengths": dict(column_encoding={"s": "DELTA_LENGTH_BYTE_ARRAY"}, compression="lz4", **plain),
  "dictionary": dict(compression="gzip", data_page_version="2.0", row_group_size=512),
  "old": dict(compression="snappy", version="1.0", use_compliant_nested_type=False),
  "zstd": dict(compression="zstd", **plain),
}.items():
  pq.write_table(t, sys.argv[1] + "/" + name + ".parquet", **options)
`

func TestNestedParquetFilesOfPyarrow(t *testing.T) {
	bin := venv(t, pyarrow)
	dir := t.TempDir()
	if r := command(t, dir, nil, []byte(nestedOf), filepath.Join(bin, "python"), "-", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	want := []string{
		`{"i":5,"s":"abc","f":0.1,"l":[1,null],"st":{"a":"x","b":[{"c":1.5}]},"m":{"k":1,"j":null},"mi":{"7":true},"b":true}`,
		`{"i":-1,"s":"abd","f":null,"l":[],"st":null,"m":{},"mi":{"7":true},"b":true}`,
		`{"i":null,"s":"","f":-3,"l":null,"st":{"a":null,"b":null},"m":null,"mi":{"7":true},"b":true}`,
	}
	for _, name := range []string{"delta", "lengths", "dictionary", "old", "zstd"} {
		p := project(t, "tap-parquet", fmt.Sprintf("files: [{entity: t, path: %q}]", filepath.Join(dir, name+".parquet")), "target-jsonl", "destination_path: out")
		var records []string
		for _, line := range mustRun(t, p, "invoke", "tap-parquet").lines() {
			if _, record, ok := strings.Cut(line, `"record":`); ok {
				records = append(records, record)
			}
		}
		if len(records) != 3000 {
			t.Fatalf("%s: %d records", name, len(records))
		}
		for i, record := range records { // runs of the RLE encoding, which end anywhere
			value := `"b":true`
			if i%18 >= 10 {
				value = `"b":false`
			}
			if i%18 == 17 {
				value = `"b":null`
			}
			if !strings.Contains(record, value) || !strings.Contains(record, `"mi":{"7":true}`) {
				t.Fatalf("%s: record %d is %s, want %s", name, i, record, value)
			}
		}
		for i, line := range want {
			if !strings.HasPrefix(records[i], line) {
				t.Errorf("%s: record %d is\n%s, want\n%s", name, i, records[i], line)
			}
		}
	}
}

const readers = `
import sys, json, glob, decimal, pyarrow.parquet as pq, duckdb
show = lambda v: json.dumps(v, default=lambda x: dict(x) if isinstance(x, list) else str(x), ensure_ascii=False)
path, = glob.glob(sys.argv[1] + "/**/*.parquet", recursive=True)
t = pq.read_table(path)
print(t.schema.field("v").type)
for r in sorted(t.to_pylist(maps_as_pydicts="strict"), key=lambda r: r["id"]): print(show(r))
for r in duckdb.sql(f"select id, d, u::varchar, v.z, v.a[1], v.m['k'], v.o.d::varchar, len(v.l) from '{path}' order by id").fetchall(): print(show(list(r)))
`

// Files of target-parquet, nested columns and all, are read by others.
func TestOurParquetFilesElsewhere(t *testing.T) {
	bin := venv(t, pyarrow, duckdb)
	p := project(t, "tap-parquet", "files: [{entity: t, path: none}]", "target-parquet", "destination_path: out\n      nested: typed")
	messages := `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"d":{"type":"number","multipleOf":0.01,"maximum":9999999,"minimum":-9999999},"u":{"type":"string","format":"uuid"},` +
		`"v":{"type":["null","object"],"properties":{"z":{"type":"string"},"a":{"type":"array","items":{"type":["null","integer"]}},"m":{"type":"object","additionalProperties":{"type":"number"}},` +
		`"o":{"type":["null","object"],"properties":{"d":{"type":"string","format":"date"}}},"l":{"type":"array","items":{"type":"object","properties":{"x":{"type":"boolean"}}}}}}}},"key_properties":[]}` + "\n" +
		`{"type":"RECORD","stream":"s","record":{"id":1,"d":1.25,"u":"0e37df36-f698-11e6-8dd4-cb9ced3df976","v":{"z":"é","a":[7,null],"m":{"k":0.5},"o":{"d":"2024-02-29"},"l":[{"x":true},{"x":null}]}}}` + "\n" +
		`{"type":"RECORD","stream":"s","record":{"id":2,"d":-0.01,"u":null,"v":{"z":"","a":[],"m":{},"o":null,"l":[]}}}` + "\n"
	if r := command(t, p, []string{"NO_COLOR=1"}, []byte(messages), elt, "invoke", "target-parquet"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	r := command(t, p, nil, []byte(readers), filepath.Join(bin, "python"), "-", filepath.Join(p, "out"))
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	want := `struct<z: string, a: list<element: int64>, m: map<string, double ('m')>, o: struct<d: date32[day]>, l: list<element: struct<x: bool>>>
{"id": 1, "d": "1.25", "u": "0e37df36-f698-11e6-8dd4-cb9ced3df976", "v": {"z": "é", "a": [7, null], "m": {"k": 0.5}, "o": {"d": "2024-02-29"}, "l": [{"x": true}, {"x": null}]}}
{"id": 2, "d": "-0.01", "u": null, "v": {"z": "", "a": [], "m": {}, "o": null, "l": []}}
[1, "1.25", "0e37df36-f698-11e6-8dd4-cb9ced3df976", "é", 7, 0.5, "2024-02-29", 2]
[2, "-0.01", null, "", null, null, null, 0]
`
	if r.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", r.stdout, want)
	}
}
