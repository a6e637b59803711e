// Package deploy writes what runs a project elsewhere: Kubernetes manifests,
// a Dockerfile with its compose file, and the commands that make the secrets.
// It is text out of data: it reads no project, asks no cluster, and the same
// input gives the same bytes.
package deploy
