package cli

import (
	"fmt"
	"io"
	"strings"

	"elt/internal/fault"
)

// Confirm asks on standard error and reads one line of standard input; only
// y and yes agree. Anything else, an end of input too, is an error: nothing
// happens then.
func (s *IOStreams) Confirm(question string) error {
	fmt.Fprintf(s.Err, "%s [y/N]: ", question)
	answer, err := readLine(s.In)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fault.New(fault.Failed, "not confirmed, nothing was changed").WithHint("--force does it without asking")
}

// readLine takes no byte beyond the end of the line: what follows may be for
// another question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n > 0 && b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}
