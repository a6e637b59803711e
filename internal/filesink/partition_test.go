package filesink

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"elt/internal/fake/s3"
	"elt/internal/row"
	"elt/targets"
)

func partedOptions(dir string, replace bool) Options {
	return Options{Dir: dir, Whole: ended{}, Dated: true, Replace: replace, Empty: replace,
		File:       func(s string) string { return s + "/" + s + ".end" },
		Partitions: func(string) []string { return []string{"c"} }}
}

// inCountry makes rows of an id and a column c; "-" is NULL.
func inCountry(s *row.Schema, pairs ...string) *row.Batch {
	b := &row.Batch{Schema: s}
	for _, pair := range pairs {
		var id int64
		var c string
		fmt.Sscanf(pair, "%d%s", &id, &c)
		b.Begin()
		b.Int8(id)
		if c == "-" {
			b.Null()
		} else {
			b.Str(c)
		}
		b.End()
	}
	return b
}

// tree is all visible files below a folder, with what they hold.
func tree(t *testing.T, dir string) (out string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && !e.IsDir() && !strings.HasPrefix(name, ".") {
			out += filepath.ToSlash(name) + ": " + strings.ReplaceAll(content(t, path), "\n", " ") + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// partedRun loads pairs in commits of their own ("|" between them) and dies at step k.
func partedRun(t *testing.T, o Options, k int, pairs ...string) (died bool) {
	defer func() {
		if r := recover(); r != nil && r != any(killed{}) {
			panic(r)
		} else if r != nil {
			died = true
		}
	}()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	steps := 0
	s.dir.point = func() {
		if steps++; steps == k {
			panic(killed{})
		}
	}
	claim(t, s, "job", nil)
	l, _ := s.Lane(t.Context())
	schema := schemaOf("A", "c")
	d, err := l.Stream(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	for n := range pairs {
		if pairs[n] != "|" {
			err = d.Write(t.Context(), inCountry(schema, pairs[n]))
		} else {
			err = l.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"done":false}`)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d.End(t.Context())
	if err := l.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"done":true}`)}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	return false
}

func TestRowsGoIntoThePartitionsOfTheirValues(t *testing.T) {
	dir := t.TempDir()
	partedRun(t, partedOptions(dir, false), 0, "1DE", "2FR", "3DE", "4-", "|", "5DE", "9FR", "5a/b")
	want := "A/c=DE/A.end: 1 3 end \nA/c=DE/A.part2.end: 5 end \nA/c=FR/A.end: 2 end \nA/c=FR/A.part2.end: 9 end \n" +
		"A/c=__HIVE_DEFAULT_PARTITION__/A.end: 4 end \nA/c=a%2Fb/A.end: 5 end \n"
	if got := tree(t, dir); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".elt-part*")); len(hidden) > 0 {
		t.Errorf("left behind: %v", hidden)
	}
}

// The files of all partitions come together or not at all; what replaces a
// stream takes away partitions that are no more, and their folders.
func TestPartitionsAreAllOrNothing(t *testing.T) {
	for _, c := range []struct {
		replace    bool
		old, after string
	}{
		{false, "A/c=DE/A.end: 1 end \nA/c=DE/A.part2.end: 6 end \nA/c=FR/A.end: 2 end \n", "A/c=DE/A.end: 1 end \nA/c=DE/A.part2.end: 6 end \nA/c=DE/A.part3.end: 3 end \nA/c=FR/A.end: 2 end \nA/c=US/A.end: 4 end \n"},
		{true, "A/c=DE/A.end: 1 6 end \nA/c=FR/A.end: 2 end \n", "A/c=DE/A.end: 3 end \nA/c=US/A.end: 4 end \n"},
	} {
		for k := 1; ; k++ {
			dir := t.TempDir()
			partedRun(t, partedOptions(dir, c.replace), 0, "1DE", "|", "6DE", "2FR")
			if got := tree(t, dir); got != c.old {
				t.Fatalf("%s", got)
			}
			died := partedRun(t, partedOptions(dir, c.replace), k, "3DE", "4US")
			s, err := Open(t.Context(), partedOptions(dir, c.replace)) // takes back
			if err != nil {
				t.Fatal(err)
			}
			j, _ := s.dir.readJournal(journalName("job"))
			s.Abort()
			if got := tree(t, dir); got != c.old && got != c.after || len(j.Undo) > 0 {
				t.Fatalf("killed at step %d: after recovery\n%s", k, got)
			}
			if died {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, "A", "c=FR")); c.replace == (err == nil) {
				t.Errorf("replaced: %v; the folder of a partition that is gone: %v", c.replace, err)
			}
			if k < 8 {
				t.Errorf("only %d steps", k)
			}
			break
		}
	}
}

// However rows are ordered, a commit makes one file of each partition, and no
// row is lost on the way through the spill.
func TestMorePartitionsThanMemoryHas(t *testing.T) {
	dir := t.TempDir()
	o := partedOptions(dir, false)
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := s.Lane(t.Context())
	schema := schemaOf("A", "c", "pad")
	d, _ := l.Stream(t.Context(), schema)
	pad := strings.Repeat("x", 100<<10)
	const partitions, rounds = 12, 30
	for i := range partitions * rounds {
		b := &row.Batch{Schema: schema}
		b.Begin()
		id, _ := strconv.ParseInt(strconv.FormatInt(int64(i), 6), 10, 64) // no digit that does not fit
		b.Int8(id)
		b.Str(fmt.Sprint("p", i%partitions))
		b.Str(pad)
		op := row.Insert
		if i >= partitions*rounds/2 {
			op = row.Update
		}
		b.EndAs(op)
		if err := d.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if waits := d.(*loader).parted.pending; waits > pendingBytes+200<<10 {
			t.Fatalf("%d bytes wait", waits)
		}
	}
	if d.(*loader).parted.spill.end == 0 {
		t.Error("nothing was spilled")
	}
	if err := l.Commit(t.Context(), targets.Commit{}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	s.Abort()
	files := strings.Split(strings.TrimSpace(tree(t, dir)), "\n")
	if len(files) != partitions {
		t.Errorf("%d files", len(files))
	}
	var ids []string
	for _, file := range files {
		name, rows, _ := strings.Cut(file, ": ")
		for _, id := range strings.Fields(strings.TrimSuffix(strings.TrimSpace(rows), "end")) {
			var p int64
			fmt.Sscanf(name, "A/c=p%d/", &p)
			if n, _ := strconv.ParseInt(id, 6, 64); n%partitions != p {
				t.Errorf("row %d is in %s", n, name)
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != partitions*rounds {
		t.Errorf("%d rows", len(ids))
	}
}

func TestPartitionsThatCannotBe(t *testing.T) {
	float := &row.Schema{Stream: "A", Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "c", Kind: row.Float64, Wire: row.WireFloat8}}}
	for want, schema := range map[string]*row.Schema{
		`no column "c"`:                   schemaOf("A", "d"),
		"float64":                         float,
		"no columns but those that it is": {Stream: "A", Columns: schemaOf("A", "c").Columns[1:]},
	} {
		s, _ := Open(t.Context(), partedOptions(t.TempDir(), false))
		l, _ := s.Lane(t.Context())
		if _, err := l.Stream(t.Context(), schema); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		s.Abort()
	}
	o := partedOptions(t.TempDir(), false)
	o.MaxPartitions = 2
	s, _ := Open(t.Context(), o)
	defer s.Abort()
	l, _ := s.Lane(t.Context())
	defer l.Close()
	schema := schemaOf("A", "c")
	d, _ := l.Stream(t.Context(), schema)
	if err := d.Write(t.Context(), inCountry(schema, "1a", "2b", "3a")); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), inCountry(schema, "3c")); err == nil || !strings.Contains(err.Error(), "max_partitions = 2") {
		t.Errorf("error %v", err)
	}
	if err := d.Write(t.Context(), inCountry(schema, "3"+strings.Repeat("é", 127))); err == nil {
		t.Error("a third one was taken")
	}
}

func TestPartitionsInABucket(t *testing.T) {
	v := s3.Start("lake")
	defer v.Close()
	for _, replace := range []bool{false, true} {
		o := bucketOptions(t, v)
		parted := partedOptions("s3://lake/"+fmt.Sprint(replace), replace)
		parted.Access = o.Access
		partedRun(t, parted, 0, "1DE", "2FR", "3DE")
		partedRun(t, parted, 0, "4DE", "5US")
		var got []string
		for _, key := range v.Keys() {
			if strings.HasPrefix(key, fmt.Sprint(replace)+"/A/") {
				got = append(got, key+" "+strings.ReplaceAll(string(v.Get(key).Data), "\n", " "))
			}
		}
		slices.Sort(got)
		want := "false/A/c=DE/A.end 1 3 end , false/A/c=DE/A.part2.end 4 end , false/A/c=FR/A.end 2 end , false/A/c=US/A.end 5 end "
		if replace {
			want = "true/A/c=DE/A.end 4 end , true/A/c=US/A.end 5 end "
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got\n%s\nwant\n%s", s, want)
		}
	}
}

func TestNamesOfAStreamsFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"s/a.parquet": true, "s/a.part2.parquet": true, "s/x=1/y=2/a.parquet": true, "s/x=1/a.part13.parquet": true,
		"s/a.part1.parquet": false, "s/a.part02.parquet": false, "s/a2.parquet": false, "s/x/a.parquet": false, "t/a.parquet": false,
		"s/a.csv": false, "s/=1/a.parquet": false, "s/a.parquet/b": false,
	} {
		if got := isOf("s/a.parquet", name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !isOf("a.parquet", "x=1/a.parquet") || isOf("a.parquet", "b/a.parquet") {
		t.Error("files at the top")
	}
}
