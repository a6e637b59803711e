package project

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestDotenv: as python-dotenv, which Meltano uses, reads it.
func TestDotenv(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	writeFile(t, path, "# comment\nA=1\nexport B = two words  # note\nC='single $A ${A} #x'\nD=\"a\\nb\\\"\"\nE=\nF\nG=raw-$A-${A}-${NONE:-dflt}-${HOME}\nH='two\nlines'\n\nI=a#b\r\nJ='it\\'s'\n'K'=quoted name\n")
	got, odd, err := readDotenv(path, ".env", map[string]string{"HOME": "/home/x", "A": "shell"})
	want := map[string]string{"A": "1", "B": "two words", "C": "single $A 1 #x", "D": "a\nb\"", "E": "", "G": "raw-$A-1-dflt-/home/x",
		"H": "two\nlines", "I": "a#b", "J": "it's", "K": "quoted name"}
	if err != nil || len(odd) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v\n got %q\nwant %q", err, odd, got, want)
	}
}

// TestDotenvLinesThatAreNone: python-dotenv passes over them and goes on; beside an elt.yml they are mistakes.
func TestDotenvLinesThatAreNone(t *testing.T) {
	const text = "A='it''s'\nB=1\nC=\"x\ny\" z\nD='open\nE=2\n=3\n"
	want := map[string]string{"B": "1", "E": "2"}
	for _, name := range []string{"meltano.yml", "elt.yml"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, name), "jobs: []\n")
		writeFile(t, filepath.Join(dir, ".env"), text)
		p, mistakes, err := load(Options{Dir: dir})
		if err != nil || !reflect.DeepEqual(p.dotenv, want) {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, p.dotenv, want)
		}
		odd := mistakes
		if name == "meltano.yml" {
			odd = p.oddities
			if len(mistakes) > 0 {
				t.Errorf("%s: %v, although Meltano goes on", name, mistakes)
			}
		}
		var lines []int
		for _, e := range odd {
			lines = append(lines, e.At.Line)
		}
		if !slices.Equal(lines, []int{1, 3, 5, 7}) {
			t.Errorf("%s: lines %v are named, not 1, 3, 5 and 7", name, lines)
		}
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

// TestDotenvKeepsBackslashes: what config set writes is read back as it was, whatever follows it.
func TestDotenvKeepsBackslashes(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/elt.yml", "jobs: []\n")
	writeFile(t, dir+"/.env", "A=1\nZ='z'\n")
	for _, value := range []string{`ends\`, `two\\in`, `two at the end\\`, `quote\'d`, `'`, `\n`} {
		if err := load1(t, Options{Dir: dir}).SetDotenv("A", value, nil); err != nil {
			t.Fatal(err)
		}
		if p := load1(t, Options{Dir: dir}); p.dotenv["A"] != value || p.dotenv["Z"] != "z" {
			t.Errorf("%q was read back as %q, beside %q", value, p.dotenv["A"], p.dotenv["Z"])
		}
	}
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
