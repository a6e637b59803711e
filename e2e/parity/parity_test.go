// Package parity runs every pair of a built-in tap and a built-in target both
// ways, in one process and in two, and wants the same of both: rows, column
// types and bookmarks, the store's and the destination's. A connector that is
// added joins the table by one entry in sources_test.go or targets_test.go.
package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/internal/pgtest"
)

var elt string // the binary under test

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elt-parity-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elt = filepath.Join(dir, "elt")
	if out, err := exec.Command("go", "build", "-tags", "minicore_disabled", "-o", elt, "elt").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	defer func() { maria.server.Stop() }()
	return pgtest.Main(m)
}

// ways are sequences of runs, F fused and N not; all must leave the same. The
// last run goes on from what the other way left.
var ways = []string{"FFN", "NNF"}

func TestEveryPairBothWays(t *testing.T) {
	warehouse := pgtest.URL(t)
	for _, s := range sources() {
		for _, d := range destinations(warehouse) {
			if s.tables && d.target != "target-postgres" && d.target != "target-sqlite" {
				continue // its rows say where in the log each project began
			}
			t.Run(s.name+" to "+d.name, func(t *testing.T) {
				t.Parallel()
				parity(t, s, d)
			})
		}
	}
}

// parity compares the ways after the first run, after a second one over the
// same source, and after a third one over a source that has changed.
func parity(t *testing.T, s source, d destination) {
	from := s.open(t)
	var projects []project
	for _, way := range ways {
		projects = append(projects, newProject(t, from, d, way))
	}
	var first snapshot
	for run := range len(ways[0]) {
		if run == 2 {
			from.change(t)
		}
		var want snapshot
		for _, p := range projects {
			got := p.run(t, p.way[run] == 'N')
			if want == nil {
				want = got
				if len(got) < 5 {
					t.Fatalf("nothing to compare: %v", got)
				}
				continue
			}
			if d.overwrites && run < 2 { // later a key comes twice
				got.complete(t)
			}
			want.compare(t, fmt.Sprintf("after run %d of %s, compared with %s", run+1, p.way, projects[0].way), got)
		}
		if run == 0 {
			first = want
		}
		if run == 1 && d.overwrites {
			first.compare(t, "overwritten by the same source", want)
		}
		if t.Failed() {
			return
		}
	}
}

// project is one project folder with its destination.
type project struct {
	dir, way    string
	tap, target string
	look        func(t *testing.T) snapshot
}

func newProject(t *testing.T, from reading, d destination, way string) project {
	t.Helper()
	dir := t.TempDir()
	config, look := d.open(t, dir)
	text := fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: %s
    config: %s
    metadata: %s
  loaders:
  - name: %s
    config: %s
`, from.tap, from.config, from.metadata, d.target, config)
	if err := os.WriteFile(filepath.Join(dir, "elt.yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return project{dir, way, from.tap, d.target, look}
}

func (p project) elt(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(elt, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, &out, &errs
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "PARITY_SLOT="+p.slot())
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: elt %s: %v\n%s%s", p.way, strings.Join(args, " "), err, &out, &errs)
	}
	return out.Bytes()
}

// slot is a replication slot of the project's own.
func (p project) slot() string {
	name := fnv.New64a()
	name.Write([]byte(p.dir))
	return fmt.Sprintf("elt_parity_%x", name.Sum64())
}

// run runs the pair once and looks at all that it left.
func (p project) run(t *testing.T, twoProcesses bool) snapshot {
	t.Helper()
	args := []string{"run", "--json", p.tap, p.target}
	if twoProcesses {
		args = append(args, "--no-fuse")
	}
	report := p.elt(t, args...)
	var said struct {
		Blocks []struct {
			Fused   bool `json:"fused"`
			Streams []struct {
				Stream   string          `json:"stream"`
				Rows     int64           `json:"rows"`
				Bookmark json.RawMessage `json:"bookmark"`
			} `json:"streams"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal(report, &said); err != nil || len(said.Blocks) != 1 || said.Blocks[0].Fused == twoProcesses {
		t.Fatalf("the report of %s: %v\n%s", p.way, err, report)
	}
	s := p.look(t)
	for _, one := range said.Blocks[0].Streams {
		if one.Rows == 0 && followed.Match(one.Bookmark) {
			continue // whether it is named at all depends on what else the server wrote into its log
		}
		s.add("count", fmt.Sprintf("%d %s", one.Rows, one.Stream))
		s.add("report", fmt.Sprintf("%s: %d rows, bookmark %s", one.Stream, one.Rows, canonical(one.Bookmark)))
	}
	s.add("bookmark in the store", canonical(p.elt(t, "state", "get", "dev:"+p.tap+"-to-"+p.target)))
	return s
}

// followed are bookmarks of streams that are read from a log.
var followed = regexp.MustCompile(`"LOG_BASED"|"_sdc_lsn"|"log_file"`)

// snapshot is what there is, under headings.
type snapshot map[string][]string

func (s snapshot) add(heading, line string) { s[heading] = append(s[heading], line) }

func (s snapshot) compare(t *testing.T, when string, got snapshot) {
	t.Helper()
	headings := map[string]bool{}
	for h := range s {
		headings[h] = true
	}
	for h := range got {
		headings[h] = true
	}
	for h := range headings {
		a, b := append([]string{}, s[h]...), append([]string{}, got[h]...)
		sort.Strings(a)
		sort.Strings(b)
		for i := range max(len(a), len(b)) {
			one, other := "nothing", "nothing"
			if i < len(a) {
				one = a[i]
			}
			if i < len(b) {
				other = b[i]
			}
			if one != other {
				t.Errorf("%s: %s has %d lines and %d; the first that differs is\n  %.600s\nand\n  %.600s", when, h, len(b), len(a), other, one)
				break
			}
		}
	}
}

// complete wants every row of the report at the destination: where a table is
// overwritten, those of the last run are all that there are.
func (s snapshot) complete(t *testing.T) {
	t.Helper()
	for _, line := range s["count"] {
		count, stream, _ := strings.Cut(line, " ")
		_, table, _ := strings.Cut(stream, "-")
		for heading, rows := range map[string]int{"rows of " + stream: 0, "rows of " + table: 0, stream + ".jsonl": 1} {
			if lines, ok := s[heading]; ok && fmt.Sprint(len(lines)-rows) != count {
				t.Errorf("stream %s: %s rows were read, but %q has %d", stream, count, heading, len(lines)-rows)
			}
		}
	}
}

// moving are parts of a bookmark that are new with every run; elt_late, which
// other tests' open transactions on the server put there, is left out.
var moving = regexp.MustCompile(`"elt_late":\{[^{}]*\},?|"(version|lsn|log_pos)":[0-9]+|"gtid":"[^"]*"|"replication_key_value":[0-9]{7,}`)

// canonical is JSON with its keys sorted and its numbers as they are.
func canonical(raw []byte) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	text, _ := json.Marshal(v)
	return moving.ReplaceAllStringFunc(string(text), func(part string) string {
		if strings.HasPrefix(part, `"elt_late"`) {
			return ""
		}
		return "…"
	})
}
