package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"elt/internal/worker"
)

// run is a Job that is watched.
type run struct {
	client    *Client
	name      string
	container string
	settings  Settings
	log       *worker.Log

	leave context.CancelFunc // watch no more
	ended chan struct{}

	mu   sync.Mutex
	out  worker.Outcome
	tail []string
	pod  object // as last seen
}

func follow(c *Client, name, container string, s Settings, log *worker.Log) *run {
	ctx, leave := context.WithCancel(context.Background())
	r := &run{client: c, name: name, container: container, settings: s, log: log, leave: leave, ended: make(chan struct{})}
	go r.watch(ctx)
	return r
}

// Ended implements worker.Run.
func (r *run) Ended() <-chan struct{} { return r.ended }

// Outcome implements worker.Run.
func (r *run) Outcome() worker.Outcome {
	<-r.ended
	return r.out
}

// Abandon implements worker.Run: the Job goes on.
func (r *run) Abandon() { r.leave() }

// Stop implements worker.Run: the pod gets SIGTERM, and SIGKILL after its
// grace. If Kubernetes does not answer for longer, it is asked no more.
func (r *run) Stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace+20*time.Second)
	defer cancel()
	for pause := pauses(); ctx.Err() == nil; pause.wait(ctx) {
		if err := r.client.delete(ctx, r.name); err == nil || !passing(err) {
			break
		}
	}
	select {
	case <-r.ended:
	case <-ctx.Done():
		r.leave()
		<-r.ended
	}
}

// lastWords is how long the rest of an ended run's log is waited for.
const lastWords = 30 * time.Second

// watch follows Job, pod and log to the end.
func (r *run) watch(ctx context.Context) {
	defer close(r.ended)
	defer r.leave()
	pods, stopPods := context.WithCancel(ctx)
	logs := make(chan string, 1) // the pod whose log can be read
	var pod, log sync.WaitGroup
	pod.Go(func() { r.watchPods(pods, logs) })
	log.Go(func() { r.copyLog(ctx, logs) })
	out := r.watchJob(ctx)
	stopPods()
	pod.Wait()
	if ctx.Err() == nil {
		r.lastPod(ctx)
		if name, ok := r.started(); ok {
			select {
			case logs <- name:
			default: // told before
			}
		}
		late := time.AfterFunc(lastWords, r.leave)
		defer late.Stop()
	}
	close(logs)
	log.Wait()
	out.Tail = r.tail
	r.out = out
}

// watchJob waits for the Job to end, or to be gone.
func (r *run) watchJob(ctx context.Context) (out worker.Outcome) {
	gone := worker.Outcome{Vanished: true, How: "deleted", Cause: "its Job " + r.name + " was deleted"}
	err := r.client.watch(ctx, jobs, "jobs", url.Values{"fieldSelector": {"metadata.name=" + r.name}}, func(job object, deleted bool) error {
		if deleted {
			out = gone
			return errEnough
		}
		if _, ok := job.condition("Complete"); ok {
			out = worker.Outcome{}
			return errEnough
		}
		if c, ok := job.condition("Failed"); ok {
			r.lastPod(ctx)
			out = r.failed(c)
			return errEnough
		}
		if cause, ok := r.stuck(job.Metadata.Created); ok {
			out = worker.Outcome{Code: 1, How: "no start", Cause: cause}
			_ = r.client.delete(ctx, r.name)
			return errEnough
		}
		return nil
	}, func() error {
		out = gone
		return errEnough
	})
	switch {
	case errors.Is(err, errEnough):
		return out
	case ctx.Err() != nil:
		return worker.Outcome{Vanished: true, How: "left", Cause: "Kubernetes did not say how it ended"}
	}
	return worker.Outcome{Vanished: true, How: "unknown", Cause: "watch Job " + r.name + ": " + err.Error()}
}

var exitCode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`failed with exit code (\d+)`) })

// failed tells how a failed Job's pod ended.
func (r *run) failed(c condition) worker.Outcome {
	r.mu.Lock()
	pod := r.pod
	r.mu.Unlock()
	if c.Reason == "DeadlineExceeded" {
		return worker.Outcome{Code: 128 + int(syscall.SIGTERM), How: c.Message, TimedOut: true}
	}
	if d, ok := pod.condition("DisruptionTarget"); ok {
		return worker.Outcome{Vanished: true, How: d.Reason, Cause: "its pod was taken away: " + first(d.Message, d.Reason)}
	}
	for _, s := range pod.Status.Containers {
		if s.Name != r.container || s.State.Terminated == nil {
			continue
		}
		t := s.State.Terminated
		out := worker.Outcome{Code: t.ExitCode, How: describe(t.ExitCode)}
		if t.Reason == "OOMKilled" {
			out.How, out.Cause = t.Reason, "its container was killed: it took more memory than its limit"
		}
		if t.ExitCode == 0 { // somebody else's container failed
			out.Code, out.Cause = 1, c.Message
		}
		return out
	}
	if m := exitCode().FindStringSubmatch(c.Message); m != nil {
		code, _ := strconv.Atoi(m[1])
		return worker.Outcome{Code: code, How: describe(code)}
	}
	// Evicted, or its node is gone: nobody saw an exit code.
	return worker.Outcome{Vanished: true, How: first(pod.Status.Reason, c.Reason), Cause: "its pod ended without an exit code: " + first(pod.Status.Message, c.Message)}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func describe(code int) string {
	if code > 128 && code < 128+65 {
		return fmt.Sprintf("killed by signal %d (%s)", code-128, syscall.Signal(code-128))
	}
	return fmt.Sprintf("exit code %d", code)
}

// waiting says why the pod does not run yet; "" when it does, or did.
func waiting(pod object, container string) string {
	for _, s := range pod.Status.Containers {
		if s.Name != container {
			continue
		}
		if s.State.Waiting != nil {
			return first(s.State.Waiting.Reason, "waiting") + ": " + s.State.Waiting.Message
		}
		return ""
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == "PodScheduled" && c.Status == "False" {
			return c.Reason + ": " + c.Message
		}
	}
	if pod.Metadata.Name != "" && pod.Status.Phase != "Pending" {
		return ""
	}
	return noPod
}

const noPod = "no pod yet"

// usual says that every pod waits for this for a moment.
func usual(why string) bool {
	return why == noPod || strings.HasPrefix(why, "ContainerCreating") || strings.HasPrefix(why, "PodInitializing")
}

// stuck says that the pod has not started for too long, by the Job's age.
func (r *run) stuck(since time.Time) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	why := waiting(r.pod, r.container)
	if why == "" || since.IsZero() || r.settings.Pending == 0 || time.Since(since) < r.settings.Pending {
		return "", false
	}
	return fmt.Sprintf("its pod did not start within %s: %s", r.settings.Pending, why), true
}

// watchPods notes the state of the Job's pod, and says when it has a log.
func (r *run) watchPods(ctx context.Context, logs chan<- string) {
	told, said := "", false
	_ = r.client.watch(ctx, core, "pods", url.Values{"labelSelector": {"batch.kubernetes.io/job-name=" + r.name}}, func(pod object, deleted bool) error {
		if !deleted {
			r.note(pod)
		}
		why := waiting(pod, r.container)
		if why != "" && why != told && !usual(why) && pod.Status.Phase == "Pending" {
			told = why
			r.log.Line([]byte("elt: pod " + pod.Metadata.Name + " waits: " + why))
		}
		if why == "" && !said {
			said = true
			logs <- pod.Metadata.Name // has room for it
		}
		return nil
	}, func() error { return nil })
}

func (r *run) note(pod object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pod = pod
}

// lastPod notes the state of an ended Job's pod.
func (r *run) lastPod(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	for pause := pauses(); ctx.Err() == nil; pause.wait(ctx) {
		var l list
		err := r.client.call(ctx, http.MethodGet, core, "pods", url.Values{"labelSelector": {"batch.kubernetes.io/job-name=" + r.name}}, nil, &l)
		for _, pod := range l.Items {
			r.note(pod)
		}
		if !passing(err) {
			return
		}
	}
}

// started is the pod's name, if it has a log.
func (r *run) started() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pod.Metadata.Name, r.pod.Metadata.Name != "" && waiting(r.pod, r.container) == ""
}
