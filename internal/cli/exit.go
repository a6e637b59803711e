package cli

import "fmt"

// ExitCode is an error that has been told already, by the plugin that ended
// with it: nothing is printed, and the code goes out as it is.
type ExitCode int

func (c ExitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }
