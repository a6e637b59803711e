// Package crash kills the runner, the tap and the target at random moments
// and runs once more: no row may be lost, none doubled where the destination
// lets us, no process may survive, nobody unlocks anything.
// `go test` does a few rounds of each; ELT_TEST_LONG=1 does sixty.
package crash

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/internal/pgtest"
)

var elt string

// TestMain lets the test binary also be the scripted plugins: a link to it
// called tap-scripted or target-scripted plays that part.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "tap-scripted":
		os.Exit(scriptedTap(os.Args[1:]))
	case "tap-windows":
		os.Exit(windowsTap(os.Args[1:]))
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
	kinds []string // of targets
	// victims says which process a command line belongs to.
	victims map[string]func(cmdline string) bool
	keyless bool
	flags   []string // of elt run
}

func jobs() []job {
	ours, theirs := []string{"sqlite", "postgres", "jsonl", "snowflake"}, []string{"scripted"}
	fused := map[string]func(string) bool{"runner": nil, "child": has(" fuse")}
	pair := map[string]func(string) bool{"runner": nil, "tap": has("/tap-scripted "), "target": has(" target target-")}
	foreign := map[string]func(string) bool{"runner": nil, "tap": has("/tap-scripted "), "target": has("/target-scripted ")}
	two := map[string]func(string) bool{"runner": nil, "tap": has(" tap tap-csv "), "target": has(" target target-")}
	half := map[string]func(string) bool{"runner": nil, "tap": has(" tap tap-csv "), "target": has("/target-scripted ")}
	return []job{
		{"built-in keyed", csvTap("[id]"), 40000, ours, fused, false, nil},
		{"built-in keyless", csvTap("[]"), 40000, append([]string{"parquet"}, ours...), fused, true, nil},
		{"built-in keyless in two processes", csvTap("[]"), 40000, ours, two, true, []string{"--no-fuse"}},
		{"scripted keyed", scripted(true), 4000, ours, pair, false, nil},
		{"scripted keyless", scripted(false), 4000, ours, pair, true, nil},
		{"built-in", csvTap("[id]"), 40000, theirs, half, true, nil},
		{"scripted", scripted(true), 4000, theirs, foreign, true, nil},
	}
}

// once says whether rows must be there exactly once after a kill: a target
// that appends and has no transaction over rows and position may repeat some.
func (j job) once(kind string) bool {
	return !j.keyless || kind == "sqlite" || kind == "postgres" || kind == "snowflake" || kind == "parquet"
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
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	for _, j := range jobs() {
		for _, kind := range j.kinds {
			var length time.Duration // of an undisturbed run
			for victim, match := range j.victims {
				t.Run(fmt.Sprintf("%s into %s, kill the %s", j.name, kind, victim), func(t *testing.T) {
					name := fnv.New64a()
					name.Write([]byte(t.Name()))
					random := rand.New(rand.NewPCG(seed, name.Sum64()))
					if length == 0 {
						length = j.wholeRun(t, kind)
					}
					var sum tally
					defer func() { t.Log(sum) }()
					for n := range rounds() {
						delay := time.Duration(random.Int64N(int64(length)))
						j.killOnce(t, kind, match, delay, n, &sum)
						if t.Failed() {
							t.Fatalf("round %d, killed the %s after %s of a run of %s", n, victim, delay, length)
						}
					}
				})
			}
		}
	}
}

// tally sums up the rounds of one victim.
type tally struct{ rounds, broken, lost, doubled, survivors int }

func (s tally) String() string {
	return fmt.Sprintf("%d rounds, %d runs broken off; %d rows lost, %d doubled, %d survivors", s.rounds, s.broken, s.lost, s.doubled, s.survivors)
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
	var none tally
	d.check(t, j.total, true, &none)
	return length
}

func (j job) killOnce(t *testing.T, kind string, match func(string) bool, delay time.Duration, n int, sum *tally) {
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
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	time.Sleep(delay)
	err := kill(first, ended, func() []process { return marked(mark, d.dir) }, match)
	sum.rounds++
	if err != nil {
		sum.broken++
	}
	// The next run must not need anybody's help, not even a moment's pause;
	// it waits by itself until the guard of the killed one is done.
	if again, err := d.command().CombinedOutput(); err != nil {
		t.Errorf("the run after the kill fails: %v\n%s\nthe killed run said:\n%s", err, again, &out)
		return
	}
	if left := survivors(mark, d.dir, soon); len(left) > 0 {
		sum.survivors += len(left)
		t.Errorf("these still run: %v\n%s", left, &out)
	}
	d.check(t, j.total, j.once(kind), sum)
}

// kill kills the runner, or as soon as they are there the processes that
// match, and waits for the run's end.
func kill(run *exec.Cmd, ended <-chan error, living func() []process, match func(string) bool) error {
	if match == nil {
		run.Process.Kill()
		return <-ended
	}
	for {
		for _, p := range living() {
			if match(p.cmdline) {
				syscall.Kill(p.pid, syscall.SIGKILL)
				return <-ended
			}
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Millisecond):
		}
	}
}
