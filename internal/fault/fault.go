// Package fault holds the one error type that a user sees: what went wrong,
// where it was written, what to do about it, and which exit code it means.
// Everything below cmd returns errors; only cmd.Main turns one into text and
// a code. Plain wrapped errors are fine inside; a *Error appears where the
// user's own text (a file, a setting, a flag, a stream) is at fault.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a process exit code. Below 10 they are Meltano's, from 10 on ours;
// docs/exit-codes.md is the table.
type Code int

const (
	OK             Code = 0
	Failed         Code = 1
	Usage          Code = 2
	Version        Code = 3  // requires_meltano does not match
	AlreadyRunning Code = 10 // another run holds the state id
	PluginMissing  Code = 11 // no executable for a plugin
	StoreAway      Code = 12 // the state store cannot be reached
	StoreCorrupt   Code = 13 // the state store is damaged
	StoreSchema    Code = 14 // the state store's schema is too new or not migrated
	BadConfig      Code = 15 // a connector refuses its settings
	BadInput       Code = 16 // malformed Singer input, record before schema, null key …
	Fenced         Code = 17 // another run took over this state id
	LimitReached   Code = 18 // a limit ended the run (max_rows …); what a bookmark covers is loaded
	Interrupted    Code = 130
	Terminated     Code = 143
)

// Position is a place in a text file; Line and Column count from 1, 0 is unknown.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	if p.Column == 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is a mistake explained where it was made.
type Error struct {
	Code Code
	Msg  string   // one sentence without a full stop
	Hint string   // what to do next; may be empty
	At   Position // may be zero
	Line string   // the source line at At, shown with a caret; may be empty
	Err  error    // the cause; its text is not repeated in Msg
	Kind Kind     // what stands in the way, where the cause does not tell; may be ""
}

// New makes an error of the given code.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of the given code with a cause.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns e with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithKind returns e with what stands in the way, for KindOf.
func (e *Error) WithKind(kind Kind) *Error {
	e.Kind = kind
	return e
}

// WithPosition returns e with the place and the source line of the mistake.
func (e *Error) WithPosition(at Position, line string) *Error {
	e.At, e.Line = at, line
	return e
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.At != (Position{}) {
		b.WriteString(e.At.String())
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the exit code that err means: the outermost *Error's, else Failed.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Failed
}

// Render is the full text for a person: message, source line with caret, hint.
func Render(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	var e *Error
	if !errors.As(err, &e) {
		return b.String()
	}
	if e.Line != "" {
		gutter := fmt.Sprintf("%5d | ", e.At.Line)
		b.WriteString("\n" + gutter + e.Line)
		if e.At.Column > 0 {
			pad := strings.Repeat(" ", len(gutter)-2) + "| " + caretPad(e.Line, e.At.Column)
			b.WriteString("\n" + pad + "^")
		}
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("\nhint: " + hint)
	}
	return b.String()
}

// hint is the error's own, else that of the error below.
func (e *Error) hint() string {
	var below *Error
	if e.Hint == "" && errors.As(e.Err, &below) {
		return below.hint()
	}
	return e.Hint
}

// caretPad keeps tabs, so that the caret stands under the column meant.
func caretPad(line string, column int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= column-1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
