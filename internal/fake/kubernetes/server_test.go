package kubernetes

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const job = `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {
	"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}`

func ask(t *testing.T, s *Server, method, path, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Close ends what is under way: a container that is only just being started,
// and a watch that nobody cuts.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	starting, closing := make(chan struct{}), make(chan struct{})
	s := Start(func(string, []string, []string) *exec.Cmd {
		close(starting)
		<-closing
		return exec.Command("sleep", "600")
	})
	ask(t, s, http.MethodPost, "/apis/batch/v1/namespaces/"+Namespace+"/jobs", job).Body.Close()
	<-starting
	watch := ask(t, s, http.MethodGet, "/api/v1/namespaces/"+Namespace+"/pods?watch=1&resourceVersion=100", "")
	defer watch.Body.Close()
	done := make(chan struct{})
	go func() { defer close(done); s.Close() }()
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		closed = s.closed
		s.mu.Unlock()
	}
	close(closing)
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("it hangs")
	}
}

// A Job that is deleted before its pod came leaves no pod.
func TestJobGoneBeforeItsPod(t *testing.T) {
	s := Start(func(string, []string, []string) *exec.Cmd { return exec.Command("sleep", "600") })
	defer s.Close()
	var gone object
	if err := json.Unmarshal([]byte(job), &gone); err != nil {
		t.Fatal(err)
	}
	gone["metadata"].(object)["uid"] = "1"
	if p := newPod(s, "j", gone); p != nil {
		t.Error("a pod without a Job")
	}
}
