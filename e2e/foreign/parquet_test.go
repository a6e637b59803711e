package foreign

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const pyarrow = "pyarrow==26.0.1"

// typed writes one table in the ways that pyarrow knows; old timestamps are
// INT96, small pages and groups make many of each.
const typed = `
import sys, decimal, datetime as dt, uuid
import pyarrow as pa, pyarrow.parquet as pq
D = decimal.Decimal
utc = dt.timezone.utc
n = 5000
def col(values, type): return pa.array([values[i % len(values)] for i in range(n)], type)
t = pa.table({
  "i8": col([1, -128, None], pa.int8()), "u16": col([65535, 0], pa.uint16()), "u32": col([4294967295], pa.uint32()),
  "u64": col([18446744073709551615, None], pa.uint64()), "i64": col([-9223372036854775808], pa.int64()),
  "f32": col([0.5], pa.float32()), "f64": col([0.1], pa.float64()), "b": col([True, False, None], pa.bool_()),
  "d9": col([D("1234567.89"), D("-0.01")], pa.decimal128(9, 2)), "d38": col([D("-12345678901234567890123456789.123456789")], pa.decimal128(38, 9)),
  "d60": col([D("123456789012345678901234567890123456789012345.6")], pa.decimal256(60, 1)),
  "s": col(["é", "", None, "x" * 300], pa.string()), "bin": col([b"\x00\xff"], pa.binary()), "day": col([dt.date(1, 1, 1)], pa.date32()),
  "time": col([dt.time(23, 59, 59, 999000)], pa.time32("ms")), "ms": col([dt.datetime(1969, 12, 31, 23, 59, 59, 999000)], pa.timestamp("ms")),
  "us": col([dt.datetime(2024, 1, 2, 3, 4, 5, 678901, utc)], pa.timestamp("us", "UTC")), "ns": col([1704164645678901234], pa.timestamp("ns")),
})
for name, options in {
  "v1": dict(version="1.0", data_page_version="1.0", use_dictionary=False, compression="none"),
  "v2": dict(version="2.6", data_page_version="2.0", compression="zstd", row_group_size=700, data_page_size=500),
  "old": dict(version="2.6", use_deprecated_int96_timestamps=True, compression="snappy"),
  "gz": dict(version="2.6", compression="gzip", coerce_timestamps=None, use_byte_stream_split=["f64"], use_dictionary=["s"]),
}.items():
  if name == "v1": options["coerce_timestamps"] = "us"; options["allow_truncated_timestamps"] = True
  pq.write_table(t, sys.argv[1] + "/" + name + ".parquet", **options)
`

func TestParquetFilesOfPyarrow(t *testing.T) {
	bin := venv(t, pyarrow)
	dir := t.TempDir()
	if r := command(t, dir, nil, []byte(typed), filepath.Join(bin, "python"), "-", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	want := `{"i8":1,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"i64":-9223372036854775808,"f32":0.5,"f64":0.1,"b":true,` +
		`"d9":1234567.89,"d38":-12345678901234567890123456789.123456789,"d60":123456789012345678901234567890123456789012345.6,` +
		`"s":"é","bin":"AP8=","day":"0001-01-01","time":"23:59:59.999000","ms":"1969-12-31T23:59:59.999000+00:00",` +
		`"us":"2024-01-02T03:04:05.678901+00:00","ns":"2024-01-02T03:04:05.678901%s+00:00"}`
	for _, name := range []string{"v1", "v2", "old", "gz"} {
		p := project(t, "tap-parquet", fmt.Sprintf("files: [{entity: t, path: %q}]", filepath.Join(dir, name+".parquet")), "target-jsonl", "destination_path: out")
		var records []string
		for _, line := range mustRun(t, p, "invoke", "tap-parquet").lines() {
			if _, record, ok := strings.Cut(line, `"record":`); ok {
				records = append(records, record)
			}
		}
		nanos := "234"
		if name == "v1" {
			nanos = ""
		}
		if line := fmt.Sprintf(want, nanos); len(records) != 5000 || !strings.HasPrefix(records[0], line) {
			t.Errorf("%s: %d records, the first is\n%s, want\n%s", name, len(records), records[0], line)
		}
	}
}
