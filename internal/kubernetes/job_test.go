package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// A template keeps what we do not know; settings count more; a run's own
// variables count most.
func TestTemplate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pod.yml")
	if err := os.WriteFile(path, []byte(`
metadata: {labels: {team: data}}
spec:
  nodeSelector: {disk: ssd}
  restartPolicy: Always
  containers:
  - {name: sidecar, image: proxy:1}
  - name: elt
    image: old:1
    env: [{name: A, value: template}, {name: B, value: kept}]
    envFrom: [{configMapRef: {name: c}}]
    resources: {limits: {cpu: 4, memory: 1Gi}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Settings{Template: path, Image: "new:2", ServiceAccount: "runs", CPU: "500m", Memory: "2Gi", Secrets: []string{"elt-secrets"}, Keep: time.Hour, Grace: 20 * time.Second}
	tpl, err := (&Client{}).Template(t.Context(), s, "", "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 5000, time.UTC)
	e := state.Execution{ID: schedule.NewID(), Name: "nightly", Attempt: 2, Started: &now}
	name, err := jobName(e)
	if err != nil || name != "elt-run-"+e.ID+"-2" {
		t.Fatal(name, err)
	}
	job, err := tpl.job(name, e, s, []string{"run", "nightly"}, map[string]string{"A": "run"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(job)
	for _, want := range []string{
		`"backoffLimit":0`, `"ttlSecondsAfterFinished":3600`, `"activeDeadlineSeconds":3680`, `"restartPolicy":"Never"`, `"terminationGracePeriodSeconds":25`,
		`"image":"new:2"`, `"serviceAccountName":"runs"`, `"nodeSelector":{"disk":"ssd"}`, `"team":"data"`, `"name":"sidecar"`,
		`{"name":"B","value":"kept"},{"name":"A","value":"run"},{"name":"ELT_RUN_EXECUTION","value":"` + e.ID + `"}`,
		`"envFrom":[{"configMapRef":{"name":"c"}},{"secretRef":{"name":"elt-secrets"}}]`,
		`"resources":{"limits":{"memory":"2Gi"},"requests":{"cpu":"500m","memory":"2Gi"}}`, `"args":["run","nightly"]`,
		`"elt.dev/started":"2026-03-01T00:00:00.000005Z"`, `"containerName":"elt","operator":"NotIn","values":[0]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	second, err := tpl.job(name, e, s, nil, nil, 0)
	if text, _ := json.Marshal(second); err != nil || strings.Contains(string(text), `"value":"run"`) || strings.Contains(string(text), "activeDeadline") {
		t.Errorf("a job's variables are in the next one: %s %v", text, err)
	}
}

// In a cluster, a run's pod is like the daemon's own.
func TestOwnPod(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/data/pods/elt-7f" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(`{"metadata":{"name":"elt-7f"},"spec":{"nodeName":"n1","serviceAccountName":"elt",
"volumes":[{"name":"kube-api-access-x"},{"name":"project"}],
"containers":[{"name":"proxy","image":"p:1"},{"name":"elt","image":"me:1","command":["elt","daemon"],"args":["--role","worker"],"livenessProbe":{},
 "env":[{"name":"DB","valueFrom":{"secretKeyRef":{"name":"s","key":"DB"}}}],
 "volumeMounts":[{"name":"kube-api-access-x","mountPath":"/x"},{"name":"project","mountPath":"/project"}]}]}}`))
	}))
	defer server.Close()
	c := NewClient(Cluster{Server: server.URL, Namespace: "data", InCluster: true}, "")
	tpl, err := c.Template(t.Context(), Settings{}, "elt-7f", "/usr/bin/elt")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(tpl.spec)
	for _, no := range []string{"nodeName", "kube-api-access", "livenessProbe", `"proxy"`, `"daemon"`} {
		if strings.Contains(string(text), no) {
			t.Errorf("%s in %s", no, text)
		}
	}
	for _, want := range []string{`"image":"me:1"`, `"secretKeyRef"`, `"mountPath":"/project"`, `"command":["/usr/bin/elt"]`, `"serviceAccountName":"elt"`, `"automountServiceAccountToken":false`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if _, err := c.Template(t.Context(), Settings{}, "other", ""); err == nil {
		t.Error("a pod that is not there")
	}
}

// A kubeconfig with a certificate of the server's and a token, and what is
// wrong with others.
func TestKubeconfig(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Write([]byte(`{"items":[]}`))
	}))
	defer server.Close()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	write := func(user string) string {
		path := filepath.Join(t.TempDir(), "config")
		text := "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u, namespace: data}}]\n" +
			"clusters: [{name: c, cluster: {server: '" + server.URL + "/', certificate-authority-data: " + ca + "}}]\nusers: [{name: u, user: " + user + "}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("{token: secret}")
	c, err := Find(func(name string) string { return map[string]string{"KUBECONFIG": path}[name] }, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var l list
	if err := NewClient(c, "").call(t.Context(), http.MethodGet, jobs, "jobs", nil, nil, &l); err != nil || c.Namespace != "data" {
		t.Errorf("%v, namespace %q", err, c.Namespace)
	}
	if _, err := kubeconfig(path, "b"); err == nil || !strings.Contains(err.Error(), `no context "b"`) {
		t.Errorf("%v", err)
	}
	if _, err := kubeconfig(write("{exec: {command: gke-gcloud-auth-plugin}}"), ""); err == nil || !strings.Contains(err.Error(), "logs in by a program") {
		t.Errorf("%v", err)
	}
	bad, err := kubeconfig(write("{token: other}"), "")
	if err != nil {
		t.Fatal(err)
	}
	err = NewClient(bad, "").call(t.Context(), http.MethodGet, jobs, "jobs", nil, nil, &l)
	if !is(err, http.StatusUnauthorized) || strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
}
