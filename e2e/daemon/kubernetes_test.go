package daemon

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	fake "elt/internal/fake/kubernetes"
	"elt/internal/pgtest"
	"elt/state"
)

// Runs are Jobs: the daemon is killed and another replaces it, and the run
// notices nothing; one that stops leaves its runs alone.
func TestKubernetesJobs(t *testing.T) {
	t.Parallel()
	uri := pgtest.URL(t)
	w := onPostgres(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all}\n", minutesAgo(2)), uri, uri)
	cluster := fake.Start(func(_ string, args, env []string) *exec.Cmd {
		c := exec.Command(elt, args...)
		c.Env = append(env, "HOME="+w.dir)
		return c
	})
	t.Cleanup(cluster.Close)
	w.write("kubeconfig", fmt.Sprintf(`current-context: a
contexts: [{name: a, context: {cluster: c, user: u, namespace: %s}}]
clusters: [{name: c, cluster: {server: '%s'}}]
users: [{name: u, user: {token: %s}}]
`, fake.Namespace, cluster.URL, cluster.Token))
	w.write("pod.yml", fmt.Sprintf(`spec: {containers: [{name: elt, image: 'example/elt:1', env: [
  {name: ELT_DATABASE_URI, value: '%s'}, {name: BEGUN, value: '%s'}]}]}
`, uri, filepath.Join(w.dir, "begun")))
	w.env = append(w.env, "KUBECONFIG="+filepath.Join(w.dir, "kubeconfig"), "ELT_KUBERNETES_POD_TEMPLATE="+filepath.Join(w.dir, "pod.yml"), "ELT_EXECUTOR=kubernetes")
	w.briefly()
	w.write("hang", "")
	first := w.daemon()
	w.begun(1)
	first.Process.Kill()
	first.Wait()
	second := w.daemon()
	list := w.until("another worker", func(list []state.Execution) bool {
		return len(list) == 1 && strings.HasPrefix(list[0].Worker, state.Elsewhere) && strings.Contains(list[0].Worker, fmt.Sprintf("/%d/", second.Process.Pid))
	})
	second.Process.Signal(syscall.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if got := w.until("it is still running", are("running")); got[0].ID != list[0].ID {
		t.Errorf("%+v", got)
	}
	w.daemon()
	w.remove("hang")
	list = w.until("its end", are("succeeded"))
	if w.begunCount() != 1 || cluster.Created != 1 {
		t.Errorf("the tap began %d times, in %d Jobs", w.begunCount(), cluster.Created)
	}
	w.wantRows("1,2,3")
	if runs, err := w.store.RunsOf(t.Context(), list[0].ID); err != nil || len(runs) != 1 || runs[0].Status != state.Succeeded {
		t.Errorf("%+v %v", runs, err)
	}

	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")
	id := w.ask(1, nil)[0]
	w.until("a failure", are("succeeded failed"))
	if e, err := w.store.Execution(t.Context(), id); err != nil || e.ExitCode == 0 || !strings.Contains(e.Cause, "tap-slow") || !strings.Contains(strings.Join(e.Tail, "\n"), "no such host") {
		t.Errorf("%+v %v", e, err)
	}
}
