package singer

import (
	"bytes"
	"errors"
	"fmt"

	"elt/internal/fault"
)

// batchPlace is where in a BATCH file the Reader is.
type batchPlace struct {
	file   string
	line   int64
	record int64
}

// place is where the Reader is, for messages.
func (r *Reader) place() string {
	if r.batch.file != "" && r.line == 0 {
		return fmt.Sprintf("%s, line %d", r.batch.file, r.batch.line)
	}
	if r.batch.file != "" {
		return fmt.Sprintf("%s, line %d (BATCH of line %d)", r.batch.file, r.batch.line, r.line)
	}
	return fmt.Sprintf("line %d", r.line)
}

// describe is what a user is told of a flaw of the current line.
func (r *Reader) describe(stream string, line []byte, cause error) error {
	var f *flaw
	if !errors.As(cause, &f) {
		return cause
	}
	where := r.place()
	if stream != "" {
		where += fmt.Sprintf(", stream %q", stream)
	}
	if !f.syntax {
		return fault.New(fault.BadInput, "%s: %s", where, f.text)
	}
	what := fmt.Sprintf("is no JSON (%s at byte %d)", f.text, f.at+1)
	if r.cut {
		return fault.New(fault.BadInput, "%s is cut off: the input ended in it: %s", where, excerpt(line, len(line))).
			WithHint("the tap failed or was stopped while it wrote; its own messages say why")
	}
	if r.batch.file == "" && Type(line) == NoMessage {
		what = "is no Singer message"
	}
	return fault.New(fault.BadInput, "%s %s: %s", where, what, excerpt(line, f.at)).
		WithHint("a tap must write one JSON message per line to stdout, and everything else to stderr")
}

// fail ends the run.
func (r *Reader) fail(stream string, line []byte, cause error) error {
	return r.describe(stream, line, cause)
}

// bad is a RECORD that cannot become a row.
func (r *Reader) bad(stream string, line []byte, cause error) error {
	err := r.describe(stream, line, cause)
	if r.o.OnBad == nil || r.cut {
		return err
	}
	number := r.line
	if r.batch.file != "" {
		number = r.batch.line
	}
	return r.o.OnBad(BadRecord{Stream: stream, Line: number, Raw: line, Record: r.batch.record, Err: err})
}

// excerpt shows at most 200 bytes of a line around a byte. Of what looks like
// JSON only punctuation and keys are shown; plain text, as a stray log line,
// is shown as it is.
func excerpt(line []byte, at int) string {
	const most = 200
	from := max(0, min(at-most/2, len(line)-most))
	to := min(len(line), from+most)
	structured := bytes.ContainsAny(line, `{["`)
	var out []byte
	inString, escaped, isKey := false, false, false
	for i, c := range line[:to] {
		mask := structured && !isKey
		switch {
		case inString && escaped:
			escaped = false
		case inString && c == '"':
			inString, isKey, mask = false, false, false
		case inString:
			escaped = c == '\\'
		case c == '"' && structured:
			inString, isKey, mask = true, keyAt(line, i), false
		default:
			mask = mask && !bytes.ContainsRune([]byte(" \t{}[],:'"), rune(c))
		}
		switch {
		case mask:
			c = '*'
		case c < 0x20 || c >= 0x7f:
			c = '?'
		}
		if i >= from {
			out = append(out, c)
		}
	}
	text := string(out)
	if from > 0 {
		text = "…" + text
	}
	if to < len(line) {
		text += "…"
	}
	return text
}

// keyAt says whether the string that begins at line[i] is followed by a colon.
func keyAt(line []byte, i int) bool {
	end, _ := scanString(line, i+1)
	return end >= 0 && peek(line, space(line, end+1)) == ':'
}

// streamOf is the top-level "stream" of a line that may be broken, else "".
func streamOf(line []byte) (name string) {
	_ = members(line, func(key []byte, from, _ int) error {
		if string(key) == "stream" {
			text, _ := stringAt(line, from)
			name = string(text)
		}
		return nil
	})
	return name
}
