// Package needs finds out what a project needs of its surroundings: the
// variables and secrets that its plugins in use are configured with, the
// store, files, Java, virtual environments. `elt secrets required` shows it,
// `elt deploy` writes manifests from it. Values never appear in it.
package needs
