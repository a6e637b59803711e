package filesink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"elt/internal/row"
	"elt/targets"
)

// digits writes rows of one integer column, one per line.
type digits struct{ Headless }

func (digits) Encoder(*row.Schema, []string) Encoder { return digits{} }
func (digits) Append(dst []byte, b *row.Batch) ([]byte, error) {
	for i := range b.Len() {
		f := b.Fields(i)
		v, _ := f.Next()
		dst = append(strconv.AppendInt(dst, row.Int(&b.Schema.Columns[0], v), 10), '\n')
	}
	return dst, nil
}

func schemaOf(stream string, more ...string) *row.Schema {
	s := &row.Schema{Stream: stream, Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}}
	for _, name := range more {
		s.Columns = append(s.Columns, row.Column{Name: name, Kind: row.Text, Wire: row.WireText})
	}
	return s
}

func rows(s *row.Schema, from, to int64) *row.Batch {
	b := &row.Batch{Schema: s}
	for id := from; id <= to; id++ {
		b.Begin()
		b.Int8(id)
		for range s.Columns[1:] {
			b.Str("x")
		}
		b.End()
	}
	return b
}

func options(dir string) Options {
	return Options{Dir: dir, Format: digits{}, File: func(s string) string { return Name(s) + ".txt" }}
}

func content(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(raw)
}

func listing(t testing.TB, dir string) string {
	t.Helper()
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

type killed struct{}

// attempt loads rows last+1 to 9 in commits of three, from the position that
// the claim finds, and is "killed" at the k-th step. It says how many steps
// there were and whether it came to its end.
func attempt(t *testing.T, o Options, k int) (steps int, ended bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != (killed{}) {
			panic(r)
		}
	}()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.dir.point = func() {
		if steps++; steps == k {
			panic(killed{})
		}
	}
	var last struct{ A, B int64 }
	claim(t, s, "job", &last)
	l, err := s.Lane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"A", "B"} {
		from := map[string]int64{"A": last.A, "B": last.B}[stream]
		schema := schemaOf(stream)
		d, err := l.Stream(t.Context(), schema)
		if err != nil {
			t.Fatal(err)
		}
		for id := from + 1; id <= 9; id += 3 {
			d.Write(t.Context(), rows(schema, id, id+2))
			if id == 7 {
				d.End(t.Context())
			}
			if err := l.Commit(t.Context(), targets.Commit{Streams: map[string]json.RawMessage{stream: json.RawMessage(fmt.Sprint(id + 2))}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(l.Close(), s.Finish(t.Context()), s.Abort()); err != nil {
		t.Fatal(err)
	}
	return steps, true
}

func claim(t *testing.T, s *Sink, id string, last any) (epoch int64) {
	t.Helper()
	err := s.Claim(t.Context(), id, func(found targets.Fence) (targets.Fence, error) {
		if raw := found.Bookmarks.Raw(); raw != nil {
			if err := json.Unmarshal(raw, &struct{ Bookmarks any }{last}); err != nil {
				return found, err
			}
		}
		epoch = found.Epoch + 1
		return targets.Fence{Epoch: epoch, Bookmarks: found.Bookmarks}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

const nine = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"

// A kill at any step, then another at any step of the recovery, then a run to
// its end: every row is there exactly once.
func TestKilledAtAnyStep(t *testing.T) {
	total, _ := attempt(t, options(t.TempDir()), 0)
	if total < 20 {
		t.Fatalf("only %d steps", total)
	}
	for k := 1; k <= total; k++ {
		for second := 1 + k%3; second <= 6; second += 3 {
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "B.txt"), []byte("0"), 0o666) // somebody's, without a line end
			attempt(t, options(dir), k)
			attempt(t, options(dir), second)
			if _, ended := attempt(t, options(dir), 0); !ended {
				t.Fatal("not ended")
			}
			if a, b := content(t, dir+"/A.txt"), content(t, dir+"/B.txt"); a != nine || b != "0\n"+nine {
				t.Fatalf("killed at steps %d and %d: A holds %q, B holds %q", k, second, a, b)
			}
			if _, ended := attempt(t, options(dir), 0); !ended || content(t, dir+"/A.txt") != nine {
				t.Fatal("a run without rows changed the file")
			}
		}
	}
}

func TestOverwriteIsAllOrNothing(t *testing.T) {
	run := func(dir string, k int) {
		defer func() { recover() }()
		o := options(dir)
		o.Replace = true
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		s.dir.point = func() {
			if steps++; steps == k {
				panic(killed{})
			}
		}
		claim(t, s, "job", nil)
		l, _ := s.Lane(t.Context())
		for _, stream := range []string{"A", "B"} {
			d, err := l.Stream(t.Context(), schemaOf(stream))
			if err != nil {
				t.Fatal(err)
			}
			d.Write(t.Context(), rows(schemaOf(stream), 1, 9))
			d.End(t.Context())
		}
		if err := l.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"done":true}`)}); err != nil {
			t.Fatal(err)
		}
		l.Close()
		s.Abort()
	}
	for k := 0; k < 20; k++ {
		dir := t.TempDir()
		for _, name := range []string{"A", "B"} {
			os.WriteFile(dir+"/"+name+".txt", []byte("old\n"), 0o666)
		}
		run(dir, k)
		s, err := Open(t.Context(), options(dir)) // takes back what was half done
		if err != nil {
			t.Fatal(err)
		}
		j, _ := s.dir.readJournal(journalName("job"))
		s.Abort()
		want := "old\n"
		if j.Bookmarks != nil {
			want = nine
		}
		if a, b := content(t, dir+"/A.txt"), content(t, dir+"/B.txt"); a != want || b != want {
			t.Errorf("killed at step %d: position %s, A %q, B %q", k, j.Bookmarks, a, b)
		}
		if k == 0 && want != nine {
			t.Error("a run that was not killed changed nothing")
		}
	}
}

func TestAnOldRunIsFenced(t *testing.T) {
	dir := t.TempDir()
	old, _ := Open(t.Context(), options(dir))
	claim(t, old, "job", nil)
	l, _ := old.Lane(t.Context())
	d, _ := l.Stream(t.Context(), schemaOf("A"))
	d.Write(t.Context(), rows(schemaOf("A"), 1, 3))

	next, _ := Open(t.Context(), options(dir))
	if epoch := claim(t, next, "job", nil); epoch != 2 {
		t.Errorf("epoch %d", epoch)
	}
	err := l.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"x":1}`)})
	if !errors.Is(err, targets.ErrFenced) || content(t, dir+"/A.txt") != "" {
		t.Errorf("error %v, file %q", err, content(t, dir+"/A.txt"))
	}
	other, _ := Open(t.Context(), options(dir))
	claim(t, other, "another job", nil)
	l.Close()
	old.Abort()
	next.Abort()
	other.Abort()
}

func TestUncommittedRowsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	s, _ := Open(t.Context(), options(dir))
	l, _ := s.Lane(t.Context())
	d, _ := l.Stream(t.Context(), schemaOf("A"))
	d.Write(t.Context(), rows(schemaOf("A"), 1, 3))
	if got := listing(t, dir); !strings.HasPrefix(got, partPrefix) {
		t.Errorf("during the run: %q", got)
	}
	other, _ := Open(t.Context(), options(dir)) // a living run's part stays
	other.Abort()
	if got := listing(t, dir); !strings.HasPrefix(got, partPrefix) {
		t.Errorf("another run removed the part: %q", got)
	}
	l.Close()
	s.Abort()
	if got := listing(t, dir); got != "" {
		t.Errorf("left behind: %q", got)
	}
}

func TestCompressedFilesGrowByMembers(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd} {
		dir := t.TempDir()
		o := options(dir)
		o.Compress = c
		for range 2 {
			s, _ := Open(t.Context(), o)
			l, _ := s.Lane(t.Context())
			d, _ := l.Stream(t.Context(), schemaOf("A"))
			d.Write(t.Context(), rows(schemaOf("A"), 1, 9))
			if err := l.Commit(t.Context(), targets.Commit{}); err != nil {
				t.Fatal(err)
			}
			l.Close()
			s.Abort()
		}
		if got := unpacked(t, c, dir+"/A.txt"); got != nine+nine {
			t.Errorf("%s: %q", c, got)
		}
		if got := listing(t, dir); got != "A.txt" {
			t.Errorf("left behind: %q", got)
		}
	}
}

func TestRejectsComeWithTheCommit(t *testing.T) {
	dir := t.TempDir()
	s, _ := Open(t.Context(), options(dir))
	l, _ := s.Lane(t.Context())
	l.(targets.Rejecter).Reject(t.Context(), targets.Reject{Stream: "A", Reason: "no", Record: []byte(`{"id":`)})
	if content(t, dir+"/_elt_rejects.jsonl") != "" {
		t.Error("a reject is visible before the commit")
	}
	if err := l.Commit(t.Context(), targets.Commit{}); err != nil {
		t.Fatal(err)
	}
	var got struct{ Stream, Reason, Record string }
	if err := json.Unmarshal([]byte(content(t, dir+"/_elt_rejects.jsonl")), &got); err != nil || got.Record != `{"id":` || got.Reason != "no" {
		t.Errorf("%+v, %v", got, err)
	}
	l.Close()
	s.Abort()
}

func TestTwoStreamsCannotShareAFileUnasked(t *testing.T) {
	o := options(t.TempDir())
	o.File = func(string) string { return "one.txt" }
	s, _ := Open(t.Context(), o)
	defer s.Abort()
	l, _ := s.Lane(t.Context())
	l.Stream(t.Context(), schemaOf("A"))
	if _, err := l.Stream(t.Context(), schemaOf("B")); err == nil || !strings.Contains(err.Error(), "streams A and B would write the same file") {
		t.Errorf("error %v", err)
	}
	o.Shared = true
	shared, _ := Open(t.Context(), o)
	defer shared.Abort()
	l, _ = shared.Lane(t.Context())
	for _, name := range []string{"A", "B"} {
		d, err := l.Stream(t.Context(), schemaOf(name))
		if err != nil {
			t.Fatal(err)
		}
		d.Write(t.Context(), rows(schemaOf(name), 1, 9))
	}
	if err := l.Commit(t.Context(), targets.Commit{}); err != nil || content(t, o.Dir+"/one.txt") != nine+nine {
		t.Errorf("%v, %q", err, content(t, o.Dir+"/one.txt"))
	}
	l.Close()
}

func TestFilesStayInTheDirectory(t *testing.T) {
	outer := t.TempDir()
	o := options(outer + "/in")
	o.File = func(string) string { return "../out.txt" }
	s, _ := Open(t.Context(), o)
	defer s.Abort()
	l, _ := s.Lane(context.Background())
	d, err := l.Stream(t.Context(), schemaOf("A"))
	if err == nil {
		d.Write(t.Context(), rows(schemaOf("A"), 1, 1))
		err = l.Commit(t.Context(), targets.Commit{})
	}
	if err == nil {
		t.Error("a file outside of the directory was written")
	}
	l.Close()
	if got := listing(t, outer); got != "in" {
		t.Errorf("outside: %q", got)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		dir := t.TempDir() + "/file"
		os.WriteFile(dir, nil, 0o666)
		if _, err := Open(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "destination directory") {
			t.Errorf("error %v", err)
		}
		return // root may write everywhere
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o555)
	if _, err := Open(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("error %v", err)
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for stream, want := range map[string]string{
		"users": "users", "public-users": "public-users", "a/b": "a%2Fb", "a%2Fb": "a%252Fb", "..": "%2E.", "": "%",
		"test:SpecialChars!in?attributes": "test:SpecialChars!in?attributes", "🐘 x": "🐘 x", "a\nb\x00": "a%0Ab%00",
	} {
		if got := Name(stream); got != want {
			t.Errorf("%q becomes %q, want %q", stream, got, want)
		}
	}
	a, b := Name(long), Name(long+"x")
	if a == b || len(a) > 200 || !strings.HasPrefix(a, "ää") {
		t.Errorf("long names: %q, %q", a, b)
	}
}
