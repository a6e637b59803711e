// Package crash kills the runner, the tap and the target at random moments
// and runs once more: no row may be lost, none doubled where the destination
// lets us, no process may survive for two seconds, nobody unlocks anything.
// `go test` does a few rounds of each; ELT_TEST_LONG=1 does sixty.
package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/pgtest"
)

var elt string

// TestMain lets the test binary also be the scripted plugins: a link to it
// called tap-scripted or target-scripted plays that part.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "tap-scripted":
		os.Exit(scriptedTap(os.Args[1:]))
	case "target-scripted":
		os.Exit(scriptedTarget(os.Args[1:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elt-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elt = filepath.Join(dir, "elt")
	if out, err := exec.Command("go", "build", "-o", elt, "elt").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

func rounds() int {
	if os.Getenv("ELT_TEST_LONG") != "" {
		return 60
	}
	return 3
}

// A job is a project whose complete run delivers rows 1..total.
type job struct {
	name  string
	tap   string // project text of the extractor
	total int
	// victim says which process a command line belongs to.
	victims map[string]func(cmdline string) bool
	keyless bool
}

func jobs() []job {
	fused := map[string]func(string) bool{"child": has(" fuse")}
	pair := map[string]func(string) bool{"tap": has("tap-scripted"), "target": has(" target target-")}
	return []job{
		{"built-in keyed", csvTap("[id]"), 40000, fused, false},
		{"built-in keyless", csvTap("[]"), 40000, fused, true},
		{"scripted keyed", scripted(true), 4000, pair, false},
		{"scripted keyless", scripted(false), 4000, pair, true},
	}
}

func has(part string) func(string) bool {
	return func(cmdline string) bool { return strings.Contains(cmdline, part) }
}

func csvTap(keys string) string {
	return `  - name: tap-csv
    config:
      infer: true
      files:
      - {entity: orders, path: orders.csv, keys: ` + keys + `}
`
}

func scripted(keyed bool) string {
	return fmt.Sprintf(`  - name: tap-scripted
    namespace: tap_scripted
    executable: ./tap-scripted
    capabilities: [state]
    config: {keyed: %v, total: 4000}
`, keyed)
}

func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, j := range jobs() {
		for _, kind := range []string{"sqlite", "postgres", "jsonl"} {
			victims := map[string]func(string) bool{"runner": nil}
			for v, f := range j.victims {
				victims[v] = f
			}
			for victim, match := range victims {
				t.Run(fmt.Sprintf("%s into %s, kill the %s", j.name, kind, victim), func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, uint64(len(t.Name()))))
					length := j.wholeRun(t, kind)
					for n := range rounds() {
						delay := time.Duration(random.Int64N(int64(length)))
						j.killOnce(t, kind, match, delay, n)
						if t.Failed() {
							t.Fatalf("round %d, killed the %s after %s of a run of %s", n, victim, delay, length)
						}
					}
				})
			}
		}
	}
}

// wholeRun is how long an undisturbed run takes, and checks that one delivers all.
func (j job) wholeRun(t *testing.T, kind string) time.Duration {
	t.Helper()
	d := j.prepare(t, kind)
	start := time.Now()
	if out, err := d.command().CombinedOutput(); err != nil {
		t.Fatalf("an undisturbed run fails: %v\n%s", err, out)
	}
	length := time.Since(start)
	d.check(t, j.total, true)
	return length
}

func (j job) killOnce(t *testing.T, kind string, match func(string) bool, delay time.Duration, n int) {
	t.Helper()
	d := j.prepare(t, kind)
	mark := fmt.Sprintf("ELT_CRASH_MARK=%d-%d-%d", os.Getpid(), n, time.Now().UnixNano())
	first := d.command()
	var out bytes.Buffer
	first.Stdout, first.Stderr = &out, &out
	first.Env = append(first.Env, mark)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(delay)
	if match == nil {
		first.Process.Kill()
	} else {
		for _, p := range marked(mark) {
			if match(p.cmdline) {
				syscall.Kill(p.pid, syscall.SIGKILL)
			}
		}
	}
	first.Wait()
	if left := survivors(mark, 2*time.Second); len(left) > 0 {
		t.Errorf("two seconds later these still run: %v\n%s", left, &out)
	}
	if again, err := d.command().CombinedOutput(); err != nil {
		t.Errorf("the run after the kill fails: %v\n%s\nthe killed run said:\n%s", err, again, &out)
		return
	}
	d.check(t, j.total, !j.keyless || kind != "jsonl")
}
