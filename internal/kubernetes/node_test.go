package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"elt/internal/worker"
)

// node is the one node of a real control plane: the scheduler, which binds
// each pod to it, and the kubelet, which runs the container elt of a pod as a
// shell script in dir, tells its state, and serves its log to the API server.
type node struct {
	plane     *controlPlane
	namespace string
	logs      *httptest.Server
	stop      context.CancelFunc
	work      sync.WaitGroup

	mu   sync.Mutex
	pods map[string]*process // by name
	dirs map[string]string   // in which scripts run, by the image that names it
}

// process is the container of a pod.
type process struct {
	name, uid, dir, mark string
	script               string
	started              time.Time
	term                 chan time.Duration // how long it may take
	once                 sync.Once

	mu   sync.Mutex
	log  bytes.Buffer // lines with their times
	over bool
	code int
}

func newNode(p *controlPlane, namespace string) *node {
	ctx, stop := context.WithCancel(context.Background())
	n := &node{plane: p, namespace: namespace, stop: stop, pods: map[string]*process{}, dirs: map[string]string{}}
	n.logs = httptest.NewTLSServer(http.HandlerFunc(n.serveLog))
	_, port, _ := strings.Cut(n.logs.Listener.Addr().String(), ":")
	number, _ := strconv.Atoi(port)
	p.must(http.MethodPost, "/api/v1/nodes", map[string]any{"kind": "Node", "apiVersion": "v1", "metadata": map[string]any{"name": "here"},
		"status": map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": number}},
			"conditions":      []any{map[string]any{"type": "Ready", "status": "True"}}}}, nil)
	n.work.Go(func() {
		for ctx.Err() == nil {
			n.look()
			time.Sleep(20 * time.Millisecond)
		}
	})
	p.t.Cleanup(n.close)
	return n
}

func (n *node) close() {
	n.stop()
	n.mu.Lock()
	for _, c := range n.pods {
		c.kill()
	}
	n.mu.Unlock()
	n.work.Wait()
	n.logs.CloseClientConnections()
	n.logs.Close()
}

func (n *node) pod(name string) string { return "/api/v1/namespaces/" + n.namespace + "/pods/" + name }

// seen is what a kubelet reads of a pod.
type seen struct {
	Metadata struct {
		Name, UID string
		Deleted   *time.Time `json:"deletionTimestamp"`
		Grace     int        `json:"deletionGracePeriodSeconds"`
	}
	Spec struct {
		NodeName   string
		Containers []struct {
			Name, Image string
			Args        []string
			Env         []struct{ Name, Value string }
		}
	}
}

// look does what is to be done for each pod.
func (n *node) look() {
	var list struct{ Items []seen }
	if n.plane.call(http.MethodGet, "/api/v1/namespaces/"+n.namespace+"/pods", nil, &list) != nil {
		return
	}
	for _, pod := range list.Items {
		n.mu.Lock()
		c := n.pods[pod.Metadata.Name]
		n.mu.Unlock()
		switch {
		case pod.Spec.NodeName == "" && pod.Metadata.Deleted == nil:
			_ = n.plane.call(http.MethodPost, n.pod(pod.Metadata.Name)+"/binding", map[string]any{"apiVersion": "v1", "kind": "Binding",
				"metadata": map[string]any{"name": pod.Metadata.Name}, "target": map[string]any{"apiVersion": "v1", "kind": "Node", "name": "here"}}, nil)
		case c == nil && pod.Metadata.Deleted == nil:
			n.run(pod)
		case c == nil || pod.Metadata.Deleted != nil && c.isOver():
			n.remove(pod)
		case pod.Metadata.Deleted != nil:
			c.once.Do(func() { c.term <- time.Duration(pod.Metadata.Grace) * time.Second })
		}
	}
}

// remove says that nothing of a deleted pod is left.
func (n *node) remove(pod seen) {
	_ = n.plane.call(http.MethodDelete, n.pod(pod.Metadata.Name), map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
		"preconditions": map[string]any{"uid": pod.Metadata.UID}}, nil)
}

// run starts a pod's container.
func (n *node) run(pod seen) {
	c := &process{name: pod.Metadata.Name, uid: pod.Metadata.UID, started: time.Now(), term: make(chan time.Duration, 1), mark: "POD_UID=" + pod.Metadata.UID}
	env := []string{"PATH=" + os.Getenv("PATH"), c.mark}
	for _, x := range pod.Spec.Containers {
		if x.Name != container {
			continue
		}
		c.script = strings.Join(x.Args, " ")
		_, name, _ := strings.Cut(x.Image, "/")
		n.mu.Lock()
		c.dir = n.dirs[strings.TrimSuffix(name, ":1")]
		n.mu.Unlock()
		for _, v := range x.Env {
			env = append(env, v.Name+"="+v.Value)
			if v.Name == worker.Mark {
				env = append(env, "EXECUTION="+v.Value)
			}
		}
	}
	n.mu.Lock()
	n.pods[c.name] = c
	n.mu.Unlock()
	n.work.Go(func() {
		n.tell(c, "Running", map[string]any{"running": map[string]any{"startedAt": stamp(c.started)}})
		c.run(env)
		phase, reason := "Succeeded", "Completed"
		if c.code != 0 {
			phase, reason = "Failed", "Error"
		}
		n.tell(c, phase, map[string]any{"terminated": map[string]any{"exitCode": c.code, "reason": reason, "startedAt": stamp(c.started), "finishedAt": stamp(time.Now())}})
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
	})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// tell reports a pod's state, until the API server has heard it.
func (n *node) tell(c *process, phase string, state map[string]any) {
	ready := map[bool]string{true: "True", false: "False"}[phase == "Running"]
	status := map[string]any{"phase": phase, "startTime": stamp(c.started), "hostIP": "127.0.0.1", "podIP": "127.0.0.1",
		"conditions": []any{map[string]any{"type": "Ready", "status": ready}, map[string]any{"type": "ContainersReady", "status": ready}},
		"containerStatuses": []any{map[string]any{"name": container, "image": "x", "imageID": "x", "containerID": "test://" + c.uid,
			"ready": phase == "Running", "restartCount": 0, "state": state}}}
	for range 50 {
		err := n.plane.call(http.MethodPatch, n.pod(c.name)+"/status", map[string]any{"metadata": map[string]any{"uid": c.uid}, "status": status}, nil)
		if err == nil || strings.Contains(err.Error(), " 404 ") || strings.Contains(err.Error(), " 409 ") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// run runs the script to its end; its other processes end with it.
func (c *process) run(env []string) {
	cmd := exec.Command("/bin/sh", "-c", c.script)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.dir, env, &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = c, c
	cmd.WaitDelay = 10 * time.Second
	c.code = 128
	if cmd.Start() != nil {
		return
	}
	done := make(chan struct{})
	var stopping sync.WaitGroup
	stopping.Go(func() {
		select {
		case <-done:
			return
		case grace := <-c.term:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-done:
			case <-time.After(grace):
				c.kill()
			}
		}
	})
	state, _ := cmd.Process.Wait()
	close(done)
	c.kill()
	_ = cmd.Wait()
	stopping.Wait()
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		c.code = 128 + int(status.Signal())
	} else {
		c.code = state.ExitCode()
	}
}

// kill kills every process of the container.
func (c *process) kill() {
	for left := true; left; time.Sleep(time.Millisecond) {
		left = false
		found, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range found {
			environ, _ := os.ReadFile(path)
			if bytes.Contains(environ, []byte(c.mark+"\x00")) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				left = syscall.Kill(pid, syscall.SIGKILL) == nil || left
			}
		}
	}
}

func (c *process) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// Write takes whole lines, which is what the scripts of the suite write.
func (c *process) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range bytes.Lines(p) {
		fmt.Fprintf(&c.log, "%s %s", time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z"), line)
	}
	return len(p), nil
}

// serveLog is GET /containerLogs/NAMESPACE/POD/CONTAINER, as the API server asks it.
func (n *node) serveLog(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) != 5 || parts[1] != "containerLogs" {
		http.NotFound(w, r)
		return
	}
	n.mu.Lock()
	c := n.pods[parts[3]]
	n.mu.Unlock()
	if c == nil {
		http.NotFound(w, r)
		return
	}
	c.follow(w, r.Context(), r.URL.Query())
}

func (c *process) follow(w http.ResponseWriter, ctx context.Context, q url.Values) {
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	for at := 0; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		text, over := bytes.Clone(c.log.Bytes()[at:]), c.over
		c.mu.Unlock()
		at += len(text)
		for line := range bytes.Lines(text) {
			stamp, rest, _ := bytes.Cut(line, []byte(" "))
			if when, _ := time.Parse(time.RFC3339Nano, string(stamp)); when.Before(since) {
				continue
			}
			if q.Get("timestamps") != "true" {
				line = rest
			}
			_, _ = io.Copy(w, bytes.NewReader(line))
		}
		w.(http.Flusher).Flush()
		if over || q.Get("follow") != "true" {
			return
		}
	}
}
