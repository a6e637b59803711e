package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"elt/internal/fault"
)

// Limits on a project file. Real ones have a few thousand lines; these stop
// files that are made to exhaust memory.
const (
	maxBytes = 1 << 20
	maxDepth = 100
	maxNodes = 200_000 // aliases counted as often as they are used
)

// source is one file of the project as it was read.
type source struct {
	path  string // absolute
	shown string // relative to the root, for messages
	text  string
	lines []string
}

func readSource(root, path string) (*source, error) {
	shown := path
	if rel, err := filepath.Rel(root, path); err == nil {
		shown = filepath.ToSlash(rel)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the project file %s", shown)
	}
	if info.Size() > maxBytes {
		return nil, fault.New(fault.Failed, "%s has %d bytes, more than the %d a project file may have", shown, info.Size(), maxBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the project file %s", shown)
	}
	return newSource(path, shown, string(text)), nil
}

func newSource(path, shown, text string) *source {
	text = strings.TrimPrefix(text, "\ufeff")
	return &source{path: path, shown: shown, text: text, lines: splitLines(text)}
}

// splitLines cuts at \n and drops a \r before it.
func splitLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// errorf is a mistake at a place of the file, shown with its line.
func (s *source) errorf(line, column int, format string, args ...any) *fault.Error {
	e := fault.New(fault.Failed, format, args...)
	text := ""
	if line >= 1 && line <= len(s.lines) {
		text = s.lines[line-1]
	}
	return e.WithPosition(fault.Position{File: s.shown, Line: line, Column: column}, maskLine(text))
}

var secretLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key|credential)[a-z_]*["']?\s*:\s*)([^\s${[][^,}]*)`)
})

// maskLine hides what a line shown in a message says of a secret.
func maskLine(line string) string { return secretLine().ReplaceAllString(line, "$1…") }
