// Command elt runs ELT pipelines: taps into targets, with bookmarks that survive.
package main

import (
	"os"

	"elt/cmd"
)

func main() { os.Exit(cmd.Main()) }
