package jdbc_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCommittedClasses: the classes are those that the source gives. Compilers
// of other releases lay them out in other ways.
func TestCommittedClasses(t *testing.T) {
	if _, err := exec.LookPath("javac"); err != nil {
		absent(t, "a JDK", "default-jdk-headless")
	}
	built := filepath.Join(t.TempDir(), "classes")
	if out, err := exec.Command("bridge/build", built).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if have, want := read(t, filepath.Join(built, "javac")), read(t, "bridge/classes/javac"); !bytes.Equal(have, want) {
		t.Skipf("the committed classes are of %s, here is %s: not compared", bytes.TrimSpace(want), bytes.TrimSpace(have))
	}
	for _, dirs := range [][2]string{{built, "bridge/classes"}, {"bridge/classes", built}} {
		names, err := filepath.Glob(filepath.Join(dirs[0], "*"))
		if err != nil || len(names) == 0 {
			t.Fatal(err)
		}
		for _, name := range names {
			if other := filepath.Join(dirs[1], filepath.Base(name)); !bytes.Equal(read(t, name), read(t, other)) {
				t.Errorf("%s is not what the source gives: run go generate ./taps/jdbc", other)
			}
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return content
}
