// Package program is the command line that every built-in connector has, as
// any Singer program: --config, --about, --version, --help, and a log on
// standard error that shows no secret (invariant 10). Taps and targets add
// the flags of their own kind.
package program
