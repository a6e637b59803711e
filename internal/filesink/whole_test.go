package filesink

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/hive"
	"elt/internal/row"
	"elt/targets"
)

// ended is a kind of file with an end. Its first column takes numbers up to 5
// unless it is text.
type ended struct{}

func (ended) Layout(s *row.Schema) []string { return []string{fmt.Sprint(s.Columns[0].Wire)} }
func (ended) Begin(w io.Writer, s *row.Schema, _ []hive.Value) (File, error) {
	return &endedFile{w: w, text: s.Columns[0].Wire == row.WireText}, nil
}

type endedFile struct {
	w    io.Writer
	text bool
}

func (f *endedFile) Write(b *row.Batch) error {
	lines, _ := digits{}.Append(nil, b)
	if !f.text && strings.ContainsAny(string(lines), "6789") {
		return Misfit{Column: "id"}
	}
	_, err := f.w.Write(lines)
	return err
}

func (f *endedFile) Close() error {
	_, err := io.WriteString(f.w, "end\n")
	return err
}

// visible is all that a reader of the folder sees.
func visible(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out string
	for _, path := range found {
		if !strings.HasPrefix(filepath.Base(path), ".") {
			out += filepath.Base(path) + ": " + content(t, path)
		}
	}
	return out
}

func wholeRun(t *testing.T, dir string, replace bool, k int, ids ...int64) {
	defer func() {
		if r := recover(); r != nil && r != any(killed{}) {
			panic(r)
		}
	}()
	s, err := Open(t.Context(), Options{Dir: dir, Whole: ended{}, Dated: true, Replace: replace, Empty: replace, File: func(s string) string { return s + ".end" }})
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
	d, err := l.Stream(t.Context(), schemaOf("A"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := d.Write(t.Context(), rows(schemaOf("A"), id, id)); err != nil {
			t.Fatal(err)
		}
	}
	d.End(t.Context())
	if err := l.Commit(t.Context(), targets.Commit{Whole: json.RawMessage(`{"done":true}`)}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	s.Abort()
}

// Files of one commit come together or not at all, whatever moment it is killed at.
func TestWholeFilesAreAllOrNothing(t *testing.T) {
	for _, c := range []struct {
		replace    bool
		old, after string
	}{
		{false, "A.end: 1\nend\nA.part2.end: 6\n7\nend\n", "A.end: 1\nend\nA.part2.end: 6\n7\nend\nA.part3.end: 2\nend\n"},
		{true, "A.end: 1\nend\nA.part2.end: 6\n7\nend\n", "A.end: 2\nend\n"},
	} {
		for k := 1; ; k++ {
			dir := t.TempDir()
			wholeRun(t, dir, c.replace, 0, 1, 6, 7)
			if got := visible(t, dir); got != c.old {
				t.Fatalf("%q, want %q", got, c.old)
			}
			wholeRun(t, dir, c.replace, k, 2)
			killedAt := visible(t, dir)
			s, err := Open(t.Context(), Options{Dir: dir, Whole: ended{}, File: func(s string) string { return s }}) // takes back
			if err != nil {
				t.Fatal(err)
			}
			s.Abort()
			got := visible(t, dir)
			if got != c.old && got != c.after {
				t.Fatalf("killed at step %d: %q was there, and after recovery %q", k, killedAt, got)
			}
			if got == c.after && killedAt == c.after && k > 30 {
				break
			}
		}
	}
}

// The first value of a file may be the one that does not fit: no empty file is left.
func TestMisfitsBeginAFileOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	wholeRun(t, dir, false, 0, 9, 1)
	if got := visible(t, dir); got != "A.end: 9\n1\nend\n" {
		t.Errorf("%q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".elt-part*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
