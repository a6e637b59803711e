// Package ui serves the web pages of the daemon: one small script that uses
// the public API and nothing else. Its source is in web (Svelte, TypeScript),
// what was built of it in dist, which is in the repository so that `go build`
// needs no Node; `make ui` builds it anew, and a test says when it is not that
// of the source. With the build tag noui a page that says so takes its place.
package ui
