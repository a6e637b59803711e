// Package cmd builds the App and the command tree, and turns errors into text
// and exit codes. It is the only importer of taps/all and targets/all.
package cmd

// Main runs the program and returns its exit code.
func Main() int { return 0 }
