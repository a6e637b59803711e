package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// create makes a Job, and its pod.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var job object
	if err := json.NewDecoder(r.Body).Decode(&job); err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	if why := invalid(job); why != "" {
		refuse(w, http.StatusUnprocessableEntity, "Invalid", "Job is invalid: "+why)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	meta := job["metadata"].(object)
	name := meta["name"].(string)
	if s.objects["jobs"][name] != nil {
		refuse(w, http.StatusConflict, "AlreadyExists", `jobs.batch "`+name+`" already exists`)
		return
	}
	s.Created++
	meta["uid"], meta["namespace"], meta["creationTimestamp"] = fmt.Sprintf("uid-%d", s.Created), Namespace, now()
	job["status"] = object{"active": 1}
	s.put("jobs", "ADDED", job)
	answer(w, http.StatusCreated, job)
	s.work.Go(func() { s.control(name, clone(job)) })
}

// invalid is what the API server finds wrong with a Job.
func invalid(job object) string {
	at := func(o any, keys ...string) any {
		for _, k := range keys {
			m, _ := o.(object)
			o = m[k]
		}
		return o
	}
	name, _ := at(job, "metadata", "name").(string)
	containers, _ := at(job, "spec", "template", "spec", "containers").([]any)
	switch {
	case job["apiVersion"] != "batch/v1" || job["kind"] != "Job":
		return "apiVersion and kind do not match"
	case !label.MatchString(name):
		return "metadata.name: Invalid value"
	case at(job, "spec", "template", "spec", "restartPolicy") != "Never":
		return `spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`
	case len(containers) == 0:
		return "spec.template.spec.containers: Required value"
	}
	var names []any
	for _, c := range containers {
		if image, _ := at(c, "image").(string); image == "" {
			return "spec.template.spec.containers[0].image: Required value"
		}
		names = append(names, at(c, "name"))
		vars, _ := at(c, "env").([]any)
		for _, v := range vars {
			if _, ok := at(v, "value").(string); !ok && at(v, "value") != nil {
				return "env: values are texts"
			}
		}
	}
	rules, _ := at(job, "spec", "podFailurePolicy", "rules").([]any)
	for _, rule := range rules {
		if c := at(rule, "onExitCodes", "containerName"); c != nil && !slices.Contains(names, c) {
			return "spec.podFailurePolicy.rules: must be one of the container names"
		}
	}
	for _, v := range []any{at(job, "metadata", "labels"), at(job, "spec", "template", "metadata", "labels")} {
		labels, _ := v.(object)
		for _, l := range labels {
			if text, ok := l.(string); !ok || len(text) > 63 {
				return "labels: must be no more than 63 characters"
			}
		}
	}
	return ""
}

// control is the Job controller: one pod, and what became of it.
func (s *Server) control(name string, job object) {
	p := newPod(s, name, job)
	if p == nil {
		return
	}
	spec := job["spec"].(object)
	var deadline <-chan time.Time
	if seconds, ok := spec["activeDeadlineSeconds"].(float64); ok {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		deadline = timer.C
	}
	late := false
	select {
	case <-p.ended:
	case <-deadline:
		late = true
		s.mu.Lock()
		p.stop()
		s.mu.Unlock()
		<-p.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects["jobs"][name]
	if o == nil || o["metadata"].(object)["uid"] != job["metadata"].(object)["uid"] {
		return
	}
	if o["metadata"].(object)["deletionTimestamp"] != nil { // foreground: the pod is gone
		p.remove()
		s.put("jobs", "DELETED", o)
		return
	}
	o = clone(o)
	c := object{"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "lastTransitionTime": now()}
	switch {
	case late:
		c["reason"], c["message"] = "DeadlineExceeded", "Job was active longer than specified deadline"
	case p.disrupted:
		c["message"] = fmt.Sprintf("Pod %s/%s has condition DisruptionTarget matching FailJob rule at index 0", Namespace, p.name)
	case p.lost:
		c["reason"], c["message"] = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
	case p.code == 0:
		c["type"], c["reason"], c["message"] = "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
	default:
		c["message"] = fmt.Sprintf("Container %s for pod %s/%s failed with exit code %d matching FailJob rule at index 1", p.container, Namespace, p.name, p.code)
	}
	o["status"] = object{"conditions": []any{c}}
	s.put("jobs", "MODIFIED", o)
}

// delete deletes a Job and its pod.
func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	o := s.objects["jobs"][name]
	if o == nil {
		refuse(w, http.StatusNotFound, "NotFound", `jobs.batch "`+name+`" not found`)
		return
	}
	p := s.pods[name]
	o = clone(o)
	switch policy := r.URL.Query().Get("propagationPolicy"); {
	case policy != "Foreground" || p == nil || p.over():
		if p != nil {
			if policy != "Orphan" {
				p.stop()
			}
			if p.over() {
				p.remove()
			}
		}
		s.put("jobs", "DELETED", o)
	default:
		meta := o["metadata"].(object)
		if meta["deletionTimestamp"] == nil {
			meta["deletionTimestamp"], meta["finalizers"] = now(), []any{"foregroundDeletion"}
			s.put("jobs", "MODIFIED", o)
			p.stop()
		}
	}
	answer(w, http.StatusOK, o)
}
