package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"elt/internal/fault"
	"elt/internal/worker"
	"elt/state"
)

// Settings say what the pods of runs look like.
type Settings struct {
	Image          string // "": that of the template
	ServiceAccount string // "": that of the template
	CPU, Memory    string // requests; the memory is the limit too
	Secrets        []string
	Template       string        // file with a pod template; "": the daemon's own pod
	Keep           time.Duration // how long an ended Job stays
	Pending        time.Duration // how long a pod may take to start
	Grace          time.Duration // how long a run may take to stop
}

const (
	container  = "elt"
	startedKey = "elt.dev/started"
)

var dnsLabel = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`) })

// jobName is the Job of an attempt of an execution.
func jobName(e state.Execution) (string, error) {
	name := fmt.Sprintf("elt-run-%s-%d", strings.ToLower(e.ID), e.Attempt)
	if len(name) > 63 || !dnsLabel().MatchString(name) {
		return "", fmt.Errorf("execution %q has an id that cannot name a Job", e.ID)
	}
	return name, nil
}

func startedOf(e state.Execution) string { return e.Started.UTC().Format(time.RFC3339Nano) }

// template is a pod template as it was given: what we do not know stays.
type template struct {
	metadata  map[string]any
	spec      map[string]any
	container map[string]any // that of the run; of spec
}

// Template reads the pod template of a file, or of the pod that this process
// runs in (own is its name, "" when it runs in none).
func (c *Client) Template(ctx context.Context, s Settings, own, self string) (*template, error) {
	t := &template{metadata: map[string]any{}, spec: map[string]any{}}
	switch {
	case s.Template != "":
		text, err := os.ReadFile(s.Template)
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot read the pod template %s", s.Template)
		}
		var file struct {
			Metadata map[string]any `yaml:"metadata"`
			Spec     map[string]any `yaml:"spec"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil || file.Spec == nil {
			return nil, fault.New(fault.Failed, "%s is no pod template", s.Template).WithHint("write it as the template of a Job: metadata and spec, with a container named %s", container)
		}
		t.metadata, t.spec = orEmpty(file.Metadata), file.Spec
	case own != "":
		var pod struct {
			Metadata struct {
				Labels map[string]any `json:"labels"`
			} `json:"metadata"`
			Spec map[string]any `json:"spec"`
		}
		if err := c.call(ctx, http.MethodGet, core, "pods/"+own, nil, nil, &pod); err != nil {
			return nil, fmt.Errorf("look at this daemon's own pod %s: %w", own, c.explain(err))
		}
		t.spec = pod.Spec
		for _, key := range []string{"nodeName", "hostname", "subdomain", "activeDeadlineSeconds", "priority", "enableServiceLinks", "ephemeralContainers", "overhead", "preemptionPolicy"} {
			delete(t.spec, key)
		}
	}
	if err := t.find(s); err != nil {
		return nil, err
	}
	if s.Template == "" && own != "" {
		t.borrow(self)
	}
	t.apply(s)
	return t, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// find finds the run's container: the one named elt, else the first; a
// template without containers gets one.
func (t *template) find(s Settings) error {
	all, _ := t.spec["containers"].([]any)
	for _, x := range all {
		m, ok := x.(map[string]any)
		if ok && (t.container == nil || m["name"] == container) {
			t.container = m
		}
	}
	if t.container == nil {
		t.container = map[string]any{"name": container}
		t.spec["containers"] = append(all, t.container)
	}
	if t.container["name"] == nil {
		t.container["name"] = container
	}
	if image, _ := t.container["image"].(string); image == "" && s.Image == "" {
		return fault.New(fault.Usage, "the executor kubernetes needs an image").
			WithHint("set ELT_KUBERNETES_IMAGE to the image that has the project, or run the daemon in the cluster from it")
	}
	return nil
}

// borrow makes the daemon's own container one of a run: alone in its pod,
// without probes, ports, and the volumes that are of the daemon's pod only.
func (t *template) borrow(self string) {
	t.spec["containers"] = []any{t.container}
	t.spec["automountServiceAccountToken"] = false // runs ask the cluster nothing
	for _, key := range []string{"livenessProbe", "readinessProbe", "startupProbe", "ports", "lifecycle"} {
		delete(t.container, key)
	}
	if t.container["command"] != nil {
		t.container["command"] = []any{self}
	}
	token := func(x any) bool {
		m, _ := x.(map[string]any)
		name, _ := m["name"].(string)
		return strings.HasPrefix(name, "kube-api-access-")
	}
	if v, ok := t.spec["volumes"].([]any); ok {
		t.spec["volumes"] = slices.DeleteFunc(v, token)
	}
	for _, key := range []string{"containers", "initContainers"} {
		all, _ := t.spec[key].([]any)
		for _, x := range all {
			m, _ := x.(map[string]any)
			if v, ok := m["volumeMounts"].([]any); ok {
				m["volumeMounts"] = slices.DeleteFunc(v, token)
			}
		}
	}
}

// apply puts what the settings say over the template.
func (t *template) apply(s Settings) {
	t.spec["restartPolicy"] = "Never"
	t.spec["terminationGracePeriodSeconds"] = int(s.Grace.Seconds()) + 5
	if s.ServiceAccount != "" {
		t.spec["serviceAccountName"] = s.ServiceAccount
		delete(t.spec, "serviceAccount")
	}
	if s.Image != "" {
		t.container["image"] = s.Image
	}
	from, _ := t.container["envFrom"].([]any)
	for _, name := range s.Secrets {
		from = append(from, map[string]any{"secretRef": map[string]any{"name": name}})
	}
	if len(from) > 0 {
		t.container["envFrom"] = from
	}
	for name, value := range map[string]string{"cpu": s.CPU, "memory": s.Memory} {
		if value == "" {
			continue
		}
		resources := orEmpty(child(t.container, "resources"))
		requests, limits := orEmpty(child(resources, "requests")), orEmpty(child(resources, "limits"))
		requests[name] = value
		if name == "memory" {
			limits[name] = value
		} else {
			delete(limits, name)
		}
		resources["requests"], resources["limits"] = requests, limits
		t.container["resources"] = resources
	}
}

func child(m map[string]any, key string) map[string]any {
	x, _ := m[key].(map[string]any)
	return x
}

// job is the Job of an execution; args are what its container is given, env
// what is to be set beside the template's.
func (t *template) job(name string, e state.Execution, s Settings, args []string, env map[string]string, limit time.Duration) (map[string]any, error) {
	text, err := json.Marshal(map[string]any{"metadata": t.metadata, "spec": t.spec})
	if err != nil {
		return nil, fmt.Errorf("the pod template: %w", err)
	}
	var pod struct {
		Metadata map[string]any `json:"metadata"`
		Spec     map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(text, &pod); err != nil { // a copy of the run's own
		return nil, err
	}
	var run map[string]any
	for _, x := range pod.Spec["containers"].([]any) {
		if m := x.(map[string]any); m["name"] == t.container["name"] {
			run = m
		}
	}
	run["args"] = args
	vars, _ := run["env"].([]any)
	env = maps.Clone(env)
	if env == nil {
		env = map[string]string{}
	}
	env[worker.Mark] = e.ID
	for _, key := range slices.Sorted(maps.Keys(env)) {
		vars = slices.DeleteFunc(vars, func(x any) bool { m, _ := x.(map[string]any); return m["name"] == key })
		vars = append(vars, map[string]any{"name": key, "value": env[key]})
	}
	run["env"] = vars
	labels := map[string]any{"app.kubernetes.io/managed-by": "elt", "elt.dev/execution": strings.ToLower(e.ID)}
	podLabels := orEmpty(child(pod.Metadata, "labels"))
	maps.Copy(podLabels, labels)
	pod.Metadata = orEmpty(pod.Metadata)
	pod.Metadata["labels"] = podLabels
	spec := map[string]any{
		"backoffLimit": 0, "completions": 1, "parallelism": 1,
		"ttlSecondsAfterFinished": int(s.Keep.Seconds()),
		"template":                map[string]any{"metadata": pod.Metadata, "spec": pod.Spec},
		// The first rule tells a pod that was taken away from one that failed;
		// the second leaves the exit code with the Job.
		"podFailurePolicy": map[string]any{"rules": []any{
			map[string]any{"action": "FailJob", "onPodConditions": []any{map[string]any{"type": "DisruptionTarget", "status": "True"}}},
			map[string]any{"action": "FailJob", "onExitCodes": map[string]any{"containerName": t.container["name"], "operator": "NotIn", "values": []int{0}}},
		}},
	}
	if limit > 0 { // the worker stops it first, if there is one
		spec["activeDeadlineSeconds"] = int((limit + s.Pending + s.Grace).Seconds()) + 60
	}
	return map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "spec": spec,
		"metadata": map[string]any{"name": name, "labels": labels, "annotations": map[string]any{
			startedKey: startedOf(e), "elt.dev/name": e.Name, "elt.dev/attempt": strconv.Itoa(e.Attempt)}},
	}, nil
}
