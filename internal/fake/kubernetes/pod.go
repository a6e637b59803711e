package kubernetes

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// pod is a pod and its container's processes.
type pod struct {
	server    *Server
	name, job string
	container string
	image     string
	args, env []string
	grace     time.Duration
	mark      string
	ended     chan struct{}
	stopped   chan struct{}
	once      sync.Once

	// Under the server's mutex:
	lines           []line
	over_           bool
	code            int
	disrupted, lost bool
}

type line struct {
	at   time.Time
	text string
}

// newPod makes the pod of a Job and starts it.
func newPod(s *Server, name string, job object) *pod {
	template := job["spec"].(object)["template"].(object)
	spec := template["spec"].(object)
	c := spec["containers"].([]any)[0].(object)
	uid := job["metadata"].(object)["uid"].(string)
	p := &pod{server: s, job: name, name: name + "-" + uid, container: c["name"].(string), image: c["image"].(string), grace: 30 * time.Second,
		ended: make(chan struct{}), stopped: make(chan struct{})}
	if g, ok := spec["terminationGracePeriodSeconds"].(float64); ok {
		p.grace = time.Duration(g) * time.Second
	}
	p.mark = fmt.Sprintf("FAKE_POD=%s/%s", s.URL, uid)
	p.env = []string{"PATH=" + os.Getenv("PATH"), p.mark}
	args, _ := c["args"].([]any)
	for _, a := range args {
		p.args = append(p.args, a.(string))
	}
	vars, _ := c["env"].([]any)
	for _, v := range vars {
		m := v.(object)
		if value, ok := m["value"].(string); ok {
			p.env = append(p.env, m["name"].(string)+"="+value)
		}
	}
	meta, _ := template["metadata"].(object)
	labels, _ := clone(object{"l": meta["labels"]})["l"].(object)
	if labels == nil {
		labels = object{}
	}
	labels["batch.kubernetes.io/job-name"], labels["job-name"] = name, name
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects["jobs"][name]; s.closed || o == nil || o["metadata"].(object)["uid"] != job["metadata"].(object)["uid"] {
		return nil // the Job went before its pod came
	}
	s.pods[name] = p
	s.put("pods", "ADDED", object{"metadata": object{"name": p.name, "namespace": Namespace, "labels": labels, "creationTimestamp": now()},
		"spec": spec, "status": object{"phase": "Pending"}})
	s.work.Go(p.run)
	return p
}

// set changes the pod's status; the mutex is held.
func (p *pod) set(phase string, state object, conditions ...any) {
	o := p.server.objects["pods"][p.name]
	if o == nil {
		return
	}
	o = clone(o)
	o["status"] = object{"phase": phase, "containerStatuses": []any{object{"name": p.container, "state": state}}, "conditions": conditions}
	p.server.put("pods", "MODIFIED", o)
}

// run is the kubelet.
func (p *pod) run() {
	s := p.server
	defer close(p.ended)
	s.mu.Lock()
	for told := ""; s.hold != "" && !s.closed && !p.isStopped(); s.changed.Wait() {
		if told != s.hold {
			told = s.hold
			p.set("Pending", object{"waiting": object{"reason": told, "message": "Back-off pulling image"}})
		}
	}
	if s.closed || p.isStopped() {
		p.over_ = true
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	cmd := s.Command(p.image, p.args, p.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Start()
	s.mu.Lock()
	p.set("Running", object{"running": object{"startedAt": now()}})
	if s.closed { // Close came before there was a process to kill
		p.stop()
	}
	s.mu.Unlock()
	var read sync.WaitGroup
	read.Go(func() { p.read(r) })
	code := 128
	if err == nil {
		code = p.wait(cmd)
	}
	w.Close()
	read.Wait()
	p.kill() // whatever the container's first process left
	s.mu.Lock()
	defer s.mu.Unlock()
	p.over_, p.code = true, code
	reason := map[bool]string{true: "Completed", false: "Error"}[code == 0]
	phase := map[bool]string{true: "Succeeded", false: "Failed"}[code == 0]
	state := object{"terminated": object{"exitCode": code, "reason": reason}}
	switch {
	case p.lost:
		s.put("pods", "DELETED", s.objects["pods"][p.name])
	case p.disrupted:
		p.set("Failed", state, object{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"})
	default:
		p.set(phase, state)
	}
}

// wait waits for the first process; a stopped pod gets SIGTERM, later SIGKILL.
func (p *pod) wait(cmd *exec.Cmd) int {
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-p.stopped:
		}
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGTERM) // as a runtime does: only the first process
		select {
		case <-done:
		case <-time.After(p.grace):
			p.kill()
		}
	}()
	state, _ := cmd.Process.Wait()
	close(done)
	p.kill()
	_ = cmd.Wait()
	if state == nil {
		return 137
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func (p *pod) isStopped() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}

// stop asks for the pod's end; the mutex is held, or a pod that is about to
// wait would not hear of it.
func (p *pod) stop() {
	p.once.Do(func() { close(p.stopped) })
	p.server.changed.Broadcast()
}

func (p *pod) over() bool { return p.over_ }

func (p *pod) remove() {
	if o := p.server.objects["pods"][p.name]; o != nil {
		p.server.put("pods", "DELETED", o)
	}
	delete(p.server.pods, p.job)
}

// kill kills every process of the pod. One that is just being executed shows no
// environment for a moment, so nothing has to be found twice.
func (p *pod) kill() {
	for round, none := 0, 0; round < 100 && none < 2; round++ {
		left := 0
		found, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range found {
			environ, _ := os.ReadFile(path)
			if bytes.Contains(environ, []byte(p.mark+"\x00")) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				_ = syscall.Kill(pid, syscall.SIGKILL)
				left++
			}
		}
		if none++; left > 0 {
			none = 0
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *pod) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString('\n')
		if text != "" {
			p.server.mu.Lock()
			p.lines = append(p.lines, line{time.Now().UTC(), text})
			p.server.changed.Broadcast()
			p.server.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// Disrupt ends a Job's pod as an eviction does (gone: as its node's loss does).
func (s *Server) Disrupt(job string, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pods[job]; p != nil {
		p.disrupted, p.lost = !gone, gone
		p.kill()
	}
}

// log gives a pod's log, and follows it.
func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	var p *pod
	for _, x := range s.pods {
		if x.name == r.PathValue("name") {
			p = x
		}
	}
	o := s.objects["pods"][r.PathValue("name")]
	switch {
	case p == nil || o == nil:
		refuse(w, http.StatusNotFound, "NotFound", "pod not found")
		return
	case q.Get("container") != p.container:
		refuse(w, http.StatusBadRequest, "BadRequest", "container "+q.Get("container")+" is not valid for pod "+p.name)
		return
	case o["status"].(object)["phase"] == "Pending":
		refuse(w, http.StatusBadRequest, "BadRequest", "container is waiting to start: ContainerCreating")
		return
	}
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	since = since.Truncate(time.Second)
	defer s.wakeAtEnd(r)()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	n := 0
	for stream := s.stream; r.Context().Err() == nil; s.changed.Wait() {
		for ; n < len(p.lines); n++ {
			if l := p.lines[n]; !l.at.Before(since) {
				if q.Get("timestamps") == "true" {
					fmt.Fprint(w, l.at.Format("2006-01-02T15:04:05.000000000Z07:00"), " ")
				}
				fmt.Fprint(w, l.text)
			}
		}
		w.(http.Flusher).Flush()
		if p.over_ || s.closed || q.Get("follow") != "true" {
			return
		}
		if stream != s.stream {
			panic(http.ErrAbortHandler)
		}
	}
}
