package kubernetes

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/fake/port"
)

// controlPlane is a real one: etcd, kube-apiserver, kube-controller-manager
// (Jobs, garbage collection, service accounts), on loopback.
type controlPlane struct {
	t     *testing.T
	url   string
	admin Cluster
	http  *http.Client
}

const adminToken = "admin-of-this-test"

// startControlPlane starts the programs of a folder, and etcd of PATH.
func startControlPlane(t *testing.T, programs string) *controlPlane {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	accounts := file("accounts.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	tokens := file("tokens.csv", adminToken+",admin,admin,system:masters\n")
	etcd, peers, api, manager := freePort(t), freePort(t), freePort(t), freePort(t)
	start(t, dir, "etcd", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", "http://127.0.0.1:"+etcd, "--advertise-client-urls", "http://127.0.0.1:"+etcd,
		"--listen-peer-urls", "http://127.0.0.1:"+peers, "--initial-advertise-peer-urls", "http://127.0.0.1:"+peers, "--initial-cluster", "default=http://127.0.0.1:"+peers)
	start(t, dir, filepath.Join(programs, "kube-apiserver"), "--etcd-servers", "http://127.0.0.1:"+etcd, "--bind-address", "127.0.0.1", "--secure-port", api,
		"--cert-dir", dir, "--token-auth-file", tokens, "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24", "--endpoint-reconciler-type", "none",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", accounts, "--service-account-signing-key-file", accounts,
		"--kubelet-preferred-address-types", "InternalIP")
	p := &controlPlane{t: t, url: "https://127.0.0.1:" + api}
	config := file("kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: '%s', certificate-authority: apiserver.crt}}]
users: [{name: u, user: {token: %s}}]
`, p.url, adminToken))
	wait(t, "the API server's certificate", func() bool {
		p.admin, err = Find(func(string) string { return "" }, config, "")
		return err == nil
	})
	p.http = p.admin.client()
	t.Cleanup(p.http.CloseIdleConnections)
	wait(t, "the API server", func() bool { return p.call(http.MethodGet, "/readyz", nil, nil) == nil })
	start(t, dir, filepath.Join(programs, "kube-controller-manager"), "--kubeconfig", config, "--bind-address", "127.0.0.1", "--secure-port", manager, "--cert-dir", dir,
		"--leader-elect=false", "--service-account-private-key-file", accounts, "--controllers",
		"job-controller,garbage-collector-controller,ttl-after-finished-controller,serviceaccount-controller,namespace-controller")
	return p
}

// start starts a program that ends with the test; what it said is shown when
// the test fails.
func start(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, filepath.Base(program)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, args...)
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		late.Stop()
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), text[max(0, len(text)-4000):])
		}
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

// as is the cluster for the owner of a token.
func (p *controlPlane) as(token string) Cluster {
	c := p.admin
	c.Token = func() (string, error) { return token, nil }
	return c
}

// call asks as the administrator; body is an object, or YAML as bytes.
func (p *controlPlane) call(method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	text, kind := []byte(nil), "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		text, kind = b, "application/yaml"
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			return err
		}
	}
	if method == http.MethodPatch {
		kind = "application/strategic-merge-patch+json"
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json")
	res, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, said)
	case out != nil:
		return json.Unmarshal(said, out)
	}
	return nil
}

// must is call for what has to succeed.
func (p *controlPlane) must(method, path string, body, out any) {
	p.t.Helper()
	if err := p.call(method, path, body, out); err != nil {
		p.t.Fatal(err)
	}
}

// resources of the kinds that elt deploy kubernetes writes.
var resources = map[string]string{
	"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts", "ConfigMap": "/api/v1/namespaces/%s/configmaps",
	"PersistentVolumeClaim": "/api/v1/namespaces/%s/persistentvolumeclaims", "Deployment": "/apis/apps/v1/namespaces/%s/deployments",
	"CronJob": "/apis/batch/v1/namespaces/%s/cronjobs", "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles",
	"RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings",
}

// apply creates an object, strictly; dry: the server only says whether it would.
func (p *controlPlane) apply(manifest, namespace string, dry bool) error {
	kind := ""
	for line := range strings.Lines(manifest) {
		if rest, ok := strings.CutPrefix(line, "kind: "); ok {
			kind = strings.TrimSpace(rest)
			break
		}
	}
	path, known := resources[kind]
	if !known {
		return fmt.Errorf("no resource for kind %q:\n%s", kind, manifest)
	}
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, namespace)
	}
	path += "?fieldValidation=Strict"
	if dry {
		path += "&dryRun=All"
	}
	return p.call(http.MethodPost, path, []byte(manifest), nil)
}
