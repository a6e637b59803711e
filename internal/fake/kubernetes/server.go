package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Server is the API server, Job controller and kubelet.
type Server struct {
	*httptest.Server
	// Token is what requests must bring.
	Token string
	// Command is the process of a container.
	Command func(image string, args, env []string) *exec.Cmd

	mu      sync.Mutex
	changed *sync.Cond
	version int
	oldest  int // versions below are forgotten
	objects map[string]map[string]object
	events  []event
	pods    map[string]*pod
	trouble func(*http.Request) int
	hold    string // why pods wait before they start; "" is not
	stream  int    // grows when open streams are to be cut
	closed  bool
	work    sync.WaitGroup
	Created int // Jobs ever
}

type object = map[string]any

type event struct {
	version    int
	kind, what string
	object     []byte
	matched    object
}

// Namespace is the only one.
const Namespace = "data"

// Start starts a cluster on loopback.
func Start(command func(image string, args, env []string) *exec.Cmd) *Server {
	s := &Server{Token: "fake-token", Command: command, pods: map[string]*pod{}, version: 100,
		objects: map[string]map[string]object{"jobs": {}, "pods": {}}}
	s.changed = sync.NewCond(&s.mu)
	mux := http.NewServeMux()
	base := "/namespaces/" + Namespace + "/"
	mux.HandleFunc("POST /apis/batch/v1"+base+"jobs", s.create)
	mux.HandleFunc("DELETE /apis/batch/v1"+base+"jobs/{name}", s.delete)
	for kind, group := range map[string]string{"jobs": "/apis/batch/v1", "pods": "/api/v1"} {
		mux.HandleFunc("GET "+group+base+kind, func(w http.ResponseWriter, r *http.Request) { s.list(w, r, kind) })
		mux.HandleFunc("GET "+group+base+kind+"/{name}", func(w http.ResponseWriter, r *http.Request) { s.get(w, r, kind) })
	}
	mux.HandleFunc("GET /api/v1"+base+"pods/{name}/log", s.log)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusForbidden, "Forbidden", r.Method+" "+r.URL.Path+" is forbidden")
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+s.Token {
			refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		switch code := s.troubled(r); {
		case code < 0:
			panic(http.ErrAbortHandler) // the connection breaks
		case code > 0:
			w.Header().Set("Retry-After", "1")
			refuse(w, code, http.StatusText(code), "the server is currently unable to handle the request")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return s
}

// Close ends all pods and the server.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stream++
	for _, p := range s.pods {
		p.kill()
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	s.Server.Close()
	s.work.Wait()
}

// Trouble answers requests with a status, or by breaking the connection
// (below 0); 0 and nil are no trouble.
func (s *Server) Trouble(f func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = f
}

func (s *Server) troubled(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		return 0
	}
	return s.trouble(r)
}

// Cut breaks all watches and logs that are followed.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream++
	s.changed.Broadcast()
}

// Forget makes every version so far too old to watch from.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.oldest, s.events = s.version, nil
	s.stream++
	s.changed.Broadcast()
}

// Hold keeps new pods waiting for a reason ("": lets them start).
func (s *Server) Hold(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = reason
	s.changed.Broadcast()
}

// Jobs are the Jobs that are there.
func (s *Server) Jobs() (all []object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects["jobs"] {
		all = append(all, clone(o))
	}
	return all
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func clone(o object) object {
	text, _ := json.Marshal(o)
	var c object
	_ = json.Unmarshal(text, &c)
	return c
}

// put stores an object, which gets a new version, and tells watchers; s.mu is held.
func (s *Server) put(kind, what string, o object) {
	s.version++
	meta := o["metadata"].(object)
	meta["resourceVersion"] = fmt.Sprint(s.version)
	name := meta["name"].(string)
	if what == "DELETED" {
		delete(s.objects[kind], name)
	} else {
		s.objects[kind][name] = o
	}
	text, _ := json.Marshal(o)
	s.events = append(s.events, event{s.version, kind, what, text, clone(o)})
	s.changed.Broadcast()
}

// matches says whether an object is meant by a request's selectors.
func matches(o object, r *http.Request) bool {
	meta := o["metadata"].(object)
	if f := r.URL.Query().Get("fieldSelector"); f != "" && f != "metadata.name="+fmt.Sprint(meta["name"]) {
		return false
	}
	if l := r.URL.Query().Get("labelSelector"); l != "" {
		key, value, _ := strings.Cut(l, "=")
		labels, _ := meta["labels"].(object)
		return labels[key] == value
	}
	return true
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, kind string) {
	s.mu.Lock()
	o, ok := s.objects[kind][r.PathValue("name")]
	if ok {
		o = clone(o)
	}
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "NotFound", kind+" "+r.PathValue("name")+" not found")
		return
	}
	answer(w, http.StatusOK, o)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, kind string) {
	if r.URL.Query().Get("watch") != "" {
		s.watch(w, r, kind)
		return
	}
	s.mu.Lock()
	items := []any{}
	for _, o := range s.objects[kind] {
		if matches(o, r) {
			items = append(items, clone(o))
		}
	}
	version := s.version
	s.mu.Unlock()
	answer(w, http.StatusOK, object{"kind": "List", "metadata": object{"resourceVersion": fmt.Sprint(version)}, "items": items})
}

// watch streams events after a version.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, kind string) {
	var at int
	fmt.Sscan(r.URL.Query().Get("resourceVersion"), &at)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	send := func(what string, o any) {
		_ = json.NewEncoder(w).Encode(object{"type": what, "object": o})
		w.(http.Flusher).Flush()
	}
	w.(http.Flusher).Flush()
	defer s.wakeAtEnd(r)()
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < s.oldest {
		send("ERROR", object{"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
		return
	}
	send("BOOKMARK", object{"metadata": object{"resourceVersion": fmt.Sprint(s.version)}})
	for stream := s.stream; stream == s.stream && !s.closed && r.Context().Err() == nil; s.changed.Wait() {
		for _, e := range s.events {
			if e.version > at && e.kind == kind && matches(e.matched, r) {
				send(e.what, json.RawMessage(e.object))
			}
		}
		at = max(at, s.version)
	}
	if r.Context().Err() == nil && !s.closed {
		panic(http.ErrAbortHandler)
	}
}

// wakeAtEnd wakes who waits for changes when the request has ended.
func (s *Server) wakeAtEnd(r *http.Request) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-r.Context().Done():
		case <-done:
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	}()
	return func() { close(done) }
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
