// Package kubernetes is a cluster with one namespace that matters to whoever
// runs Jobs: it speaks the wire protocol of Jobs, pods and their logs (create,
// get, list, watch, delete, follow), and runs the containers of pods as
// processes of this machine. Test code only.
//
// Faithful: 409 AlreadyExists, 404, 403 and 422 as Status objects; resource
// versions that grow, watches from a version, with selectors, bookmarks, and
// an ERROR event 410 where the version is too old; foreground deletion (the
// Job stays until its pod is gone); SIGTERM and SIGKILL after the pod's grace;
// a container's other processes die with its first one; podFailurePolicy,
// activeDeadlineSeconds, backoffLimit 0; log lines with nanoseconds,
// sinceTime by the second. Not there: other kinds, other namespaces'
// quotas, patches, schedulers, volumes, and images.
package kubernetes
