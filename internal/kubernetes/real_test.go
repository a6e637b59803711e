package kubernetes

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/deploy"
	"elt/internal/needs"
	"elt/internal/schedule"
	"elt/internal/worker"
	"elt/internal/worker/executortest"
	"elt/state"
)

// Against a real API server and Job controller: what elt deploy kubernetes
// writes is accepted, strictly; with the rights that it gives, in a namespace
// that enforces "restricted", the executor keeps its suite; and it may do no
// more. Only the node is ours (node_test.go). make kubernetes-real builds the
// programs and runs this.
func TestRealCluster(t *testing.T) {
	programs := os.Getenv("ELT_TEST_KUBERNETES")
	if programs == "" {
		t.Skip("ELT_TEST_KUBERNETES names no folder with kube-apiserver and kube-controller-manager; make kubernetes-real builds them")
	}
	p := startControlPlane(t, programs)
	var version struct{ GitVersion string }
	p.must(http.MethodGet, "/version", nil, &version)
	t.Logf("Kubernetes %s", version.GitVersion)
	k := deployed()
	p.manifests(k)
	n := newNode(p, k.Namespace)
	var token struct{ Status struct{ Token string } }
	p.must(http.MethodPost, "/api/v1/namespaces/"+k.Namespace+"/serviceaccounts/"+k.Account()+"/token",
		map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"expirationSeconds": 3600}}, &token)
	wait(t, "the namespace's service account", func() bool {
		return p.call(http.MethodGet, "/api/v1/namespaces/"+k.Namespace+"/serviceaccounts/default", nil, nil) == nil
	})
	c := NewClient(p.as(token.Status.Token), k.Namespace)
	t.Run("Rights", func(t *testing.T) { noMore(t, p.as(token.Status.Token), k.Namespace) })
	t.Run("Conformance", func(t *testing.T) {
		executortest.Run(t, func(t *testing.T) executortest.Place {
			dir := t.TempDir()
			set := restricted(t, n, dir)
			return executortest.Place{Store: store(t), Dir: dir, Executor: func(t *testing.T) (worker.Executor, func(), func()) {
				return executor(t, c, set), func() {}, func() {}
			}}
		})
	})
	t.Run("TakenAway", func(t *testing.T) { takenAway(t, p, n, c) })
}

// deployed is what runs in the cluster.
func deployed() deploy.Kubernetes {
	return deploy.Kubernetes{Name: "elt", Namespace: "elt-prod", Image: "registry.example.com/data:1.2", Environment: "prod", As: deploy.AsDaemon,
		Executor: deploy.InJobs, Replicas: 2, CloudSQLImage: "example.com/proxy:2.14.1", CPU: "250m", Memory: "512Mi", Storage: "10Gi",
		Needs: &needs.Needs{Store: needs.Store{Postgres: true, Variable: "MELTANO_DATABASE_URI"}, Variables: []needs.Variable{
			{Name: "MELTANO_DATABASE_URI", Secret: true, Required: true, Group: needs.Database}, {Name: "TZ", Set: true, Group: needs.Other}}},
		Schedules: []deploy.Schedule{{Name: "nightly", Cron: "0 3 * * *", Timezone: "Europe/Vienna", Retries: 1}}}
}

// manifests creates namespace, account and rights, and lets the server check
// everything else that is ever written.
func (p *controlPlane) manifests(k deploy.Kubernetes) {
	p.t.Helper()
	sqlite, cloud, jobs := k, k, k
	sqlite.Executor, sqlite.Replicas, sqlite.Needs = deploy.InDaemon, 1, &needs.Needs{}
	sqlite.Project = []deploy.File{{Name: "elt.yml", Text: []byte("a: 1\n")}}
	cloud.CloudSQL, cloud.CloudSQLSecret, cloud.ServiceAccount = "my-project:us-west1:state", "cloud-sql", "elt"
	jobs.As, jobs.Executor, jobs.Replicas = deploy.AsCronJob, deploy.InDaemon, 1
	checked := 0
	for i, k := range []deploy.Kubernetes{k, sqlite, cloud, jobs} {
		files, err := k.Files()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range files {
			for _, manifest := range strings.Split(string(f.Text), "\n---\n") {
				real := i == 0 && (f.Name == "namespace.yaml" || f.Name == "rights.yaml")
				err := p.apply(manifest, k.Namespace, !real)
				switch {
				case err != nil && i > 0 && strings.Contains(err.Error(), "AlreadyExists"):
				case err != nil:
					p.t.Errorf("%s: %v", f.Name, err)
				}
				checked++
			}
		}
	}
	p.t.Logf("%d manifests checked by the server", checked)
}

// noMore says that the daemon's account cannot do what it need not.
func noMore(t *testing.T, c Cluster, namespace string) {
	for path, want := range map[string]int{
		"/api/v1/namespaces/" + namespace + "/pods": 200, "/apis/batch/v1/namespaces/" + namespace + "/jobs": 200,
		"/api/v1/namespaces/" + namespace + "/secrets": 403, "/api/v1/namespaces/" + namespace + "/configmaps": 403,
		"/api/v1/namespaces/default/pods": 403, "/apis/batch/v1/jobs": 403, "/api/v1/nodes": 403,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		token, _ := c.Token()
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := c.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

// restricted are settings whose pods a restricted namespace takes; their
// scripts run in dir.
func restricted(t *testing.T, n *node, dir string) Settings {
	t.Helper()
	image := strings.ReplaceAll(strings.ToLower(filepath.Base(filepath.Dir(dir))+filepath.Base(dir)), "_", "-")
	n.mu.Lock()
	n.dirs[image] = dir
	n.mu.Unlock()
	path := filepath.Join(t.TempDir(), "pod.yml")
	text := `spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: elt
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings
	s.Image, s.Template = "example/"+image+":1", path
	return s
}

// takenAway: a pod that is evicted, and a Job that is deleted by hand, are
// lost, not failed; a run that is stopped leaves no Job.
func takenAway(t *testing.T, p *controlPlane, n *node, c *Client) {
	base := "/namespaces/" + n.namespace
	for name, take := range map[string]func(job, pod string){
		"evicted": func(_, pod string) {
			p.must(http.MethodPost, "/api/v1"+base+"/pods/"+pod+"/eviction", map[string]any{"apiVersion": "policy/v1", "kind": "Eviction",
				"metadata": map[string]any{"name": pod, "namespace": n.namespace}}, nil)
		},
		"deleted": func(job, _ string) {
			p.must(http.MethodDelete, "/apis/batch/v1"+base+"/jobs/"+job+"?propagationPolicy=Foreground", nil, nil)
		},
	} {
		dir := t.TempDir()
		now := time.Now()
		e := state.Execution{ID: schedule.NewID(), Name: "x", Blocks: []string{"echo begun; sleep 600"}, Attempt: 1, Started: &now}
		path := filepath.Join(dir, "log")
		log, err := worker.OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		r, err := executor(t, c, restricted(t, n, dir)).Start(t.Context(), e, log)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "the log", func() bool { text, _ := os.ReadFile(path); return strings.Contains(string(text), "begun") })
		job, err := jobName(e)
		if err != nil {
			t.Fatal(err)
		}
		var pods list
		p.must(http.MethodGet, "/api/v1"+base+"/pods?labelSelector=batch.kubernetes.io/job-name="+job, nil, &pods)
		take(job, pods.Items[0].Metadata.Name)
		if out := r.Outcome(); !out.Vanished || out.Cause == "" {
			t.Errorf("%s: %+v", name, out)
		} else {
			t.Logf("%s: %s", name, out.Cause)
		}
	}
}
