package parity

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	snowfake "elt/internal/fake/snowflake"
)

// csvProject is a project that loads one CSV file into a fake Snowflake.
func csvProject(t *testing.T, srv *snowfake.Server, more string) project {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - {name: tap-csv, config: {infer: true, files: [{entity: people, path: people.csv, keys: [id]}]}}
  loaders:
  - name: target-snowflake
    config: {account: %s, user: %s, password: %s, role: %s, warehouse: %s, database: %s, protocol: http, host: %q, port: %s, default_target_schema: OUT, temp_dir: .%s}
`, snowfake.Account, snowfake.UserName, snowfake.Password, snowfake.Role, snowfake.Warehouse, snowfake.Database, srv.Host(), srv.Port(), more)
	if err := os.WriteFile(filepath.Join(dir, "elt.yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return project{dir: dir, tap: "tap-csv", target: "target-snowflake"}
}

// A run that finds nothing new resumes no warehouse, whichever way the pair
// runs, and the one after it goes on from where the bookmark is (invariant 3).
func TestAnEmptyRunRunsNoWarehouse(t *testing.T) {
	for _, way := range [][]string{nil, {"--no-fuse"}} {
		srv := snowfake.Start(t)
		p := csvProject(t, srv, "")
		run := func(rows string, needs bool) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(p.dir, "people.csv"), []byte("id,name\n"+rows), 0o644); err != nil {
				t.Fatal(err)
			}
			srv.ResetStatements()
			srv.SuspendWarehouses()
			before := srv.WarehouseStarts()
			p.elt(t, append([]string{"run", p.tap, p.target}, way...)...)
			var used []string
			for _, s := range srv.Statements() {
				if s.NeedsWarehouse {
					used = append(used, s.SQL)
				}
			}
			if needs != (len(used) > 0) || needs != (srv.WarehouseStarts() > before) {
				t.Errorf("%v: needed a warehouse for %q", way, used)
			}
		}
		run("1,a\n", true)
		run("1,a\n", false)
		run("1,a\n2,b\n", true)
		_, rows, err := srv.Query(`SELECT ID, NAME FROM OUT.PEOPLE ORDER BY ID`)
		if err != nil || fmt.Sprint(rows) != "[[1 a] [2 b]]" {
			t.Errorf("%v: %v, %v", way, rows, err)
		}
	}
}

// However many rows pass, the process stays small.
func TestMemoryOfALoadIntoSnowflake(t *testing.T) {
	srv := snowfake.Start(t)
	p := csvProject(t, srv, ", file_size_mb: 8, load_method: append-only")
	var b bytes.Buffer
	b.WriteString("id,name,amount,note\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "%d,name %x,%d.%02d,%x\n", i, i*7919, i%1000, i%100, uint64(i)*0x9E3779B97F4A7C15)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "people.csv"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(elt, "run", "tap-csv", "target-snowflake")
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, append(os.Environ(), "NO_COLOR=1"), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	most, running := 0, true
	for tick := time.NewTicker(10 * time.Millisecond); running; {
		select {
		case err := <-ended:
			if running = false; err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
		case <-tick.C:
			most = max(most, highWater())
		}
	}
	_, rows, err := srv.Query(`SELECT COUNT(*) FROM OUT.PEOPLE`)
	if err != nil || fmt.Sprint(rows) != "[[200000]]" {
		t.Fatalf("%v, %v", rows, err)
	}
	t.Logf("%d MB at most", most>>10)
	if most == 0 || most>>10 >= 64 {
		t.Errorf("a process grew to %d kB", most)
	}
}

// highWater is the most memory, in kB, that a process of the binary under test
// has had. (The usage that wait reports counts what the parent had, too.)
func highWater() (most int) {
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range all {
		if path, err := os.Readlink(exe); err != nil || path != elt {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(exe), "status"))
		for line := range strings.Lines(string(status)) {
			var kB int
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
				most = max(most, kB)
			}
		}
	}
	return most
}
