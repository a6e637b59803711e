package files

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/spec"
)

// BadRows are the rows of a stream that cannot be read, and what becomes of
// them: the first fails the stream (fail), or they are left out and counted
// (skip), or also kept in a file (quarantine). One goroutine uses it.
type BadRows struct {
	stream string
	policy string
	most   int64 // more fail the stream; 0: no limit
	path   string
	count  int64
	file   *os.File // nil until there is one
	out    *bufio.Writer
}

func badRowSettings() []spec.Setting {
	return []spec.Setting{
		{Name: "on_bad_row", Type: spec.String, Default: "fail", OneOf: []string{"fail", "skip", "quarantine"}, Example: "quarantine",
			Help: "A row that cannot be read fails its stream, is left out and counted, or is also put into a file of bad_rows_path, with file, line and reason."},
		{Name: "bad_rows_path", Type: spec.String, Default: "bad_rows", Example: "/var/lib/elt/bad_rows",
			Help: "The folder for on_bad_row: quarantine; STREAM.jsonl in it is appended to."},
		{Name: "max_bad_rows", Type: spec.Integer, Default: 1000, Example: "10",
			Help: "More bad rows than this in one run fail the stream all the same; 0 is no limit."},
	}
}

// BadRows are those of a stream, none yet.
func (s Settings) BadRows(stream string) *BadRows {
	name := strings.NewReplacer("/", "_", `\`, "_", "\x00", "_").Replace(stream)
	return &BadRows{stream: stream, policy: s.OnBadRow, most: s.MaxBadRows, path: filepath.Join(s.BadRowsPath, name+".jsonl")}
}

// Fatal: a bad row fails the stream.
func (b *BadRows) Fatal() bool { return b.policy == "" || b.policy == "fail" }

// Take decides about a row: nil leaves it out. cause says file and line.
func (b *BadRows) Take(row []byte, cause error) error {
	if b.Fatal() {
		return cause
	}
	if b.count++; b.most > 0 && b.count > b.most {
		return fault.Wrap(fault.BadInput, cause, "more than max_bad_rows = %d rows cannot be read, the last because", b.most)
	}
	if b.policy != "quarantine" {
		return nil
	}
	return b.keep(row, cause)
}

// badRow is a line of the file.
type badRow struct {
	Stream string    `json:"stream"`
	File   string    `json:"file"`
	Line   int       `json:"line"`
	Reason string    `json:"reason"`
	At     time.Time `json:"rejected_at"`
	Row    string    `json:"row"`
	Raw    []byte    `json:"row_base64,omitempty"` // where row is not UTF-8
}

func (b *BadRows) keep(row []byte, cause error) error {
	if b.file == nil {
		err := os.MkdirAll(filepath.Dir(b.path), 0o777)
		if err == nil {
			b.file, err = os.OpenFile(b.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
		}
		if err != nil {
			return fault.Wrap(fault.BadConfig, err, "bad rows of stream %q cannot be kept", b.stream).WithHint("check bad_rows_path")
		}
		b.out = bufio.NewWriter(b.file)
	}
	one := badRow{Stream: b.stream, Reason: cause.Error(), At: time.Now().UTC(), Row: strings.TrimRight(string(row), "\r\n")}
	var known *fault.Error
	if errors.As(cause, &known) && known.At.File != "" {
		one.File, one.Line, one.Reason = known.At.File, known.At.Line, strings.TrimPrefix(one.Reason, known.At.String()+": ")
	}
	if !utf8.Valid(row) {
		one.Raw = row
	}
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	_, err = b.out.Write(append(line, '\n'))
	return b.trouble(err)
}

// Flush makes what was kept durable. It is called before a position that
// covers those rows is handed on.
func (b *BadRows) Flush() error {
	if b.file == nil || b.out.Buffered() == 0 {
		return nil
	}
	return b.trouble(errors.Join(b.out.Flush(), b.file.Sync()))
}

func (b *BadRows) trouble(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keep a bad row in %s: %w", b.path, err)
}

// Close says how many there were, and closes the file.
func (b *BadRows) Close(ctx context.Context) error {
	if b.count > 0 {
		where := ""
		if b.policy == "quarantine" {
			where = "; they are in " + b.path
		}
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: %d rows could not be read and were left out%s", b.stream, b.count, where)
	}
	if b.file == nil {
		return nil
	}
	return errors.Join(b.Flush(), b.file.Close())
}

// Torn dresses an error of reading a file's bytes, which no policy passes over.
func Torn(path string, err error) error {
	return fault.Wrap(fault.BadInput, err, "%s cannot be read to its end", path).
		WithHint("is it cut off, or still being written?")
}
