package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The rows of docs/architecture.md, from the ground up: a package imports
// packages of lower rows only. Rows 2's taps, targets and stores are leaves:
// they see their contract and row 0, and the machinery named beside them.
var rows = []struct {
	row      int
	packages []string
}{
	{0, []string{
		"internal/row", "internal/fault", "internal/check", "internal/limit", "internal/spec", "internal/singer",
		"internal/proc", "internal/secret", "internal/logging", "internal/program",
		"internal/pgdial", "internal/sshtunnel",
		"internal/pgtest", "internal/fake/*",
		"internal/strftime", "internal/cron", "internal/objectstore", "internal/hive",
		"internal/trace", "internal/lineage", "internal/metrics",
		"internal/ui",
	}},
	{1, []string{"taps", "targets", "state", "internal/project"}},
	{2, []string{"internal/load", "internal/sqltarget", "internal/sqltarget/*", "internal/filesink", "internal/pipe", "internal/mapper", "taps/*", "targets/*", "state/*", "plugins"}},
	{3, []string{"internal/runner", "internal/needs", "internal/deploy"}},
	{4, []string{"internal/schedule", "internal/notify", "internal/retention", "internal/worker", "internal/worker/executortest", "internal/kubernetes", "internal/backfill", "internal/api", "internal/client"}},
	{5, []string{"internal/cli"}},
	{6, []string{"cmd", "cmd/*", "", "e2e", "e2e/*", "bench", "bench/*"}},
}

// Leaves may import, of the module, only these.
var leaves = map[string][]string{
	"taps/*":    {"taps", "taps/*", "internal/row", "internal/fault", "internal/check", "internal/limit", "internal/spec", "internal/singer", "internal/secret", "internal/proc", "internal/pgdial", "internal/sshtunnel", "internal/pgtest", "internal/cron", "internal/objectstore", "internal/hive", "internal/fake/*"},
	"targets/*": {"targets", "targets/*", "internal/row", "internal/fault", "internal/check", "internal/limit", "internal/spec", "internal/singer", "internal/load", "internal/sqltarget", "internal/filesink", "internal/pgdial", "internal/pgtest", "internal/cron", "internal/strftime", "internal/objectstore", "internal/hive", "internal/fake/*"},
}

func TestImportTable(t *testing.T) {
	for _, p := range packages(t) {
		name := inModule(p.ImportPath)
		from := rowOf(name)
		if from < 0 {
			t.Errorf("package %s stands in no row: add it to the table and to docs/architecture.md", name)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, "elt/") {
				continue
			}
			to := inModule(imported)
			if rowOf(to) > from {
				t.Errorf("%s (row %d) imports %s (row %d)", name, from, to, rowOf(to))
			}
			if (to == "taps/all" || to == "targets/all") && name != "cmd" {
				t.Errorf("%s imports %s: only cmd may, so that nothing else links every connector", name, to)
			}
			if to == "internal/pgtest" || match("internal/fake/*", to) || to == "internal/sqltarget/sqltest" || to == "taps/taptest" || to == "targets/targettest" || to == "state/statetest" {
				if !strings.HasSuffix(name, "test") && name != "e2e" && !match("internal/fake/*", name) {
					t.Errorf("%s imports %s outside its tests", name, to)
				}
			}
			for leaf, allowed := range leaves {
				if name != leaf && match(leaf, name) && !strings.HasSuffix(name, "/all") && !matchAny(allowed, to) {
					t.Errorf("connector package %s imports %s", name, to)
				}
			}
		}
	}
}

// Every process of a run pays for what packages do at start; see
// docs/decisions/2026-11-21-metrics-by-hand.md.
func TestNothingIsCompiledAtStart(t *testing.T) {
	atStart := regexp.MustCompile(`(?m)^(var |\t)\w+ += regexp\.MustCompile`)
	for _, p := range packages(t) {
		name := inModule(p.ImportPath)
		if match("internal/fake/*", name) || strings.HasSuffix(name, "test") {
			continue
		}
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if line := atStart.Find(text); line != nil {
				t.Errorf("%s/%s: %s at start: wrap it in sync.OnceValue", name, file, line)
			}
		}
	}
}

func TestNoPackageSaysNothing(t *testing.T) {
	for _, p := range packages(t) {
		for _, part := range strings.Split(inModule(p.ImportPath), "/") {
			switch part {
			case "util", "utils", "common", "helpers", "helper", "misc", "types":
				t.Errorf("package %s: %q says nothing", p.ImportPath, part)
			}
		}
	}
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func inModule(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, "elt"), "/") }

func rowOf(name string) int {
	for _, r := range rows {
		if matchAny(r.packages, name) {
			return r.row
		}
	}
	return -1
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if match(p, name) {
			return true
		}
	}
	return false
}

// match knows exact names and DIR/* for everything below DIR.
func match(pattern, name string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(name, dir+"/")
	}
	return pattern == name
}
