package worker_test

import (
	"os"
	"path/filepath"
	"testing"

	"elt/internal/pgtest"
	"elt/internal/proc"
	"elt/internal/worker"
	"elt/internal/worker/executortest"
	"elt/state"
	"elt/state/postgres"
	"elt/state/sqlite"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "guard" { // as the binary does
		os.Exit(proc.GuardMain(os.Args[2:]))
	}
	os.Exit(pgtest.Main(m))
}

func TestProcessesOverSQLite(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) executortest.Place {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return processes(t, s)
	})
}

func TestProcessesOverPostgres(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) executortest.Place {
		s, err := postgres.Open(t.Context(), postgres.Options{URI: pgtest.URL(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return processes(t, s)
	})
}

// processes are run by guards, one for each worker; a worker that is killed
// is one whose guard finds nobody at the other end.
func processes(t *testing.T, s state.Store) executortest.Place {
	dir := t.TempDir()
	return executortest.Place{Store: s, Dir: dir, Executor: func(t *testing.T) (worker.Executor, func(), func()) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		guard, err := proc.StartGuard(self, filepath.Join(t.TempDir(), "worker.lock"))
		if err != nil {
			t.Fatal(err)
		}
		end := func() { _ = guard.Close() }
		return worker.Processes{Host: guard, Command: func(e state.Execution) (proc.Command, error) {
			return proc.Command{Name: "sh", Path: "/bin/sh", Args: []string{"-c", e.Blocks[0]}, Dir: dir,
				Env: []string{"PATH=" + os.Getenv("PATH"), "EXECUTION=" + e.ID}}, nil
		}}, end, end
	}}
}
