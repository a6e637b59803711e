package sql

import "fmt"

// Error is an error as Snowflake reports one: a number (six digits on the
// wire), an SQL state and a text.
type Error struct {
	Number  int
	State   string
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%06d (%s): %s", e.Number, e.State, e.Message) }

// Errorf makes an Error.
func Errorf(number int, state, format string, args ...any) *Error {
	return &Error{number, state, fmt.Sprintf(format, args...)}
}

// Compile is Errorf with the first line that every compilation error has.
func Compile(number int, state, format string, args ...any) *Error {
	return &Error{number, state, "SQL compilation error:\n" + fmt.Sprintf(format, args...)}
}

// Unsupported says that the fake does not know what real Snowflake may know.
func Unsupported(format string, args ...any) *Error {
	return &Error{2, "0A000", "fake: not implemented: " + fmt.Sprintf(format, args...)}
}
