package project

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestDotenv: as python-dotenv, which Meltano uses, reads it.
func TestDotenv(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	writeFile(t, path, "# comment\nA=1\nexport B = two words  # note\nC='single $A ${A} #x'\nD=\"a\\nb\\\"\"\nE=\nF\nG=raw-$A-${A}-${NONE:-dflt}-${HOME}\nH='two\nlines'\n\nI=a#b\r\nJ='it\\'s'\n'K'=quoted name\n")
	got, err := readDotenv(path, ".env", map[string]string{"HOME": "/home/x", "A": "shell"})
	want := map[string]string{"A": "1", "B": "two words", "C": "single $A 1 #x", "D": "a\nb\"", "E": "", "G": "raw-$A-1-dflt-/home/x",
		"H": "two\nlines", "I": "a#b", "J": "it's", "K": "quoted name"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %q\nwant %q", err, got, want)
	}
}

func TestEditDotenv(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/elt.yml", "jobs: []\n")
	writeFile(t, dir+"/.env", "# keep me\nOTHER=1\nTAP_X_OLD='v'\nTAP_X_A=old # note\n")
	p := load1(t, Options{Dir: dir})
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(dir + "/.env")
		if err != nil && want != "" || string(got) != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	if err := p.SetDotenv("TAP_X_A", "it's new", []string{"TAP_X_OLD"}); err != nil {
		t.Fatal(err)
	}
	check("# keep me\nOTHER=1\nTAP_X_A='it\\'s new'\n")
	if err := p.SetDotenv("TAP_X_B", "2", nil); err != nil {
		t.Fatal(err)
	}
	check("# keep me\nOTHER=1\nTAP_X_A='it\\'s new'\nTAP_X_B='2'\n")
	if err := p.UnsetDotenv([]string{"TAP_X_A", "TAP_X_B", "NOT_THERE"}); err != nil {
		t.Fatal(err)
	}
	check("# keep me\nOTHER=1\n")
	writeFile(t, dir+"/.env", "TAP_X_A='only'\n")
	if err := p.UnsetDotenv([]string{"TAP_X_A"}); err != nil {
		t.Fatal(err)
	}
	check("")
}

func TestNewDotenvIsPrivate(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/elt.yml", "jobs: []\n")
	if err := load1(t, Options{Dir: dir}).SetDotenv("TAP_X_TOKEN", "s3cret", nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir + "/.env")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info.Mode(), err)
	}
}
