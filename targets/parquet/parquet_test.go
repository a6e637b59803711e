package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"elt/internal/filesink"
	"elt/internal/row"
	"elt/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subject() targettest.Subject {
	return targettest.Subject{
		Target:  New(),
		Appends: true,
		Config:  func(t testing.TB) map[string]any { return map[string]any{"destination_path": t.TempDir()} },
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			dir := config["destination_path"].(string)
			name := filesink.Name(stream)
			rows := []targettest.Row{} // a stream without rows has no file
			for _, path := range listing(t, dir) {
				if strings.HasPrefix(path, name+"/") || path == name+".parquet" {
					rows = append(rows, read(t, filepath.Join(dir, path))...)
				}
			}
			return rows
		},
	}
}

// listing is the visible files below a folder.
func listing(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			name, _ := filepath.Rel(dir, path)
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read shows a file's values by their logical types.
func read(t testing.TB, path string) []targettest.Row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	p, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	rows := []targettest.Row{}
	for _, group := range p.RowGroups() {
		in := group.Rows()
		defer in.Close()
		buf := make([]parquet.Row, 10)
		for {
			n, err := in.ReadRows(buf)
			for _, values := range buf[:n] {
				r := targettest.Row{}
				for _, v := range values {
					field := p.Schema().Fields()[v.Column()]
					r[field.Name()] = show(field, v)
				}
				rows = append(rows, r)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return rows
}

func show(f parquet.Node, v parquet.Value) *string {
	if v.IsNull() {
		return nil
	}
	text := v.String()
	switch logical := f.Type().LogicalType(); {
	case logical == nil:
	default:
		switch l := logical.Value.(type) {
		case interface{ String() string }:
			switch name := l.String(); {
			case strings.HasPrefix(name, "TIMESTAMP"):
				text = string(row.AppendTimestampText(nil, v.Int64()-epochMicros, strings.Contains(name, "isAdjustedToUTC=true")))
			case name == "DATE":
				text = string(row.AppendDateText(nil, v.Int32()-epochDays))
			case strings.HasPrefix(name, "TIME"):
				text = string(row.AppendTimeText(nil, v.Int64()))
			case name == "UUID":
				text = string(row.AppendUUIDText(nil, v.ByteArray()))
			case strings.HasPrefix(name, "DECIMAL"):
				var scale, precision int
				fmt.Sscanf(name, "DECIMAL(%d,%d)", &precision, &scale)
				n := big.NewInt(v.Int64())
				if v.Kind() == parquet.Int32 {
					n = big.NewInt(int64(v.Int32()))
				} else if v.Kind() == parquet.FixedLenByteArray {
					n = signed(v.ByteArray())
				}
				text = new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
			}
		}
	}
	return &text
}

func signed(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func TestTarget(t *testing.T) { targettest.Run(t, subject()) }

func TestDecimalsAreExactOrDoNotFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.IntRange(1, maxDigits).Draw(t, "precision")
		scale := rapid.IntRange(0, precision).Draw(t, "scale")
		whole := rapid.StringMatching(`[0-9]{1,40}`).Draw(t, "whole")
		frac := rapid.StringMatching(`[0-9]{0,40}`).Draw(t, "frac")
		text := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + whole + "." + frac
		field, ok := row.AppendNumeric(nil, []byte(text))
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		want, _ := new(big.Rat).SetString(text)
		want.Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
		fits := want.IsInt() && new(big.Int).Abs(want.Num()).Cmp(limit) < 0
		hi, lo, ok := newDecimal(precision, scale).unscaled(field)
		if ok != fits {
			t.Fatalf("%s in decimal(%d,%d): fits %v, should be %v", text, precision, scale, ok, fits)
		}
		var both [16]byte
		for i := range 8 {
			both[i], both[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
		}
		if ok && signed(both[16-decimalBytes(precision):]).Cmp(want.Num()) != 0 {
			t.Fatalf("%s in decimal(%d,%d) becomes %x, want %s", text, precision, scale, both, want)
		}
	})
}

const priced = `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"at":{"type":["null","string"],"format":"date-time"}}},"key_properties":[]}`

// Overwriting leaves nothing of the run before, which had more files.
func TestOverwriteTakesAllOldFilesAway(t *testing.T) {
	s := subject()
	config := s.Config(t)
	dir := config["destination_path"].(string)
	config["load_method"] = "overwrite"
	second := strings.Replace(priced, `"id":{`, `"more":{"type":"string"},"id":{`, 1)
	if _, _, err := s.Serve(t, config, nil, priced, `{"type":"RECORD","stream":"s","record":{"id":1}}`, second, `{"type":"RECORD","stream":"s","record":{"id":2,"more":"x"}}`); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(listing(t, dir)); got != "[s.parquet s.part2.parquet]" {
		t.Errorf("files %s", got)
	}
	if _, _, err := s.Serve(t, config, nil, priced, `{"type":"RECORD","stream":"s","record":{"id":3}}`); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(listing(t, dir)); got != "[s.parquet]" {
		t.Errorf("files %s", got)
	}
	if rows := read(t, dir+"/s.parquet"); len(rows) != 1 || *rows[0]["id"] != "3" {
		t.Errorf("rows %v", rows)
	}
}

// A value that no timestamp of Parquet holds makes its column text from there on.
func TestWhatDoesNotFitIsText(t *testing.T) {
	s := subject()
	config := s.Config(t)
	config["file_naming_scheme"] = "{stream}.parquet"
	dir := config["destination_path"].(string)
	lines := []string{priced}
	for n, at := range []string{"2024-01-02T03:04:05.678901Z", "2024-01-02T03:04:05.678901234Z"} {
		lines = append(lines, fmt.Sprintf(`{"type":"RECORD","stream":"s","record":{"id":%d,"at":%q}}`, n, at))
	}
	config["batch_size_rows"] = 1
	_, talk, err := s.Serve(t, config, nil, lines...)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(listing(t, dir)); got != "[s.parquet s.part2.parquet]" {
		t.Fatalf("files %s\n%s", got, talk)
	}
	if got := *read(t, dir+"/s.parquet")[0]["at"]; got != "2024-01-02T03:04:05.678901+00:00" {
		t.Errorf("the first is %s", got)
	}
	if got := *read(t, dir+"/s.part2.parquet")[0]["at"]; got != "2024-01-02T03:04:05.678901234+00:00" {
		t.Errorf("the second is %s", got)
	}
	f, _ := os.Open(dir + "/s.part2.parquet")
	defer f.Close()
	info, _ := f.Stat()
	p, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var kinds map[string]string
	note, _ := p.Lookup(kindsKey)
	if json.Unmarshal([]byte(note), &kinds); kinds["at"] != "timestamptz" {
		t.Errorf("the note says %s", note)
	}
}
