// Package kubernetes runs executions as Jobs of Kubernetes, one pod each.
//
// A Job is named after its execution and attempt, so that a worker which
// comes later finds it instead of beginning a second one; the annotation
// elt.dev/started tells it from one of an earlier try of the same execution.
// Kubernetes repeats nothing (backoffLimit 0): retries are the queue's. Its
// exit code comes from the pod or, when that is gone, from the condition that
// the Job's podFailurePolicy leaves. A pod that was evicted, preempted or lost
// with its node is no failure of the run: it counts as lost.
//
// The client speaks the five requests that this needs over net/http; the
// official one would make the program half as large again.
package kubernetes
