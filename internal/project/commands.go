package project

import (
	"fmt"
	"strings"

	"elt/internal/fault"
)

// Expand expands variables in text as in a command's arguments.
func (s *Settings) Expand(text string) (string, error) {
	x := expander{env: s.environ}
	return x.text(text)
}

// Command is what a named command of the plugin runs: its executable ("" is
// the plugin's own) and its arguments, split as a shell splits them and
// expanded; an argument that expands to nothing is an error.
func (s *Settings) Command(name string) (executable string, args []string, err error) {
	c, ok := s.Plugin.Commands[name]
	if !ok {
		return "", nil, s.Plugin.noCommand(name)
	}
	words, err := splitWords(c.Args)
	if err != nil {
		return "", nil, fault.Wrap(fault.Failed, err, "command %s:%s", s.Plugin.Name, name)
	}
	for _, w := range words {
		arg, err := s.Expand(w)
		if err != nil {
			return "", nil, err
		}
		if arg == "" {
			return "", nil, fault.New(fault.Failed, "command %s:%s: argument %q is empty once variables are filled in", s.Plugin.Name, name, w)
		}
		args = append(args, arg)
	}
	return c.Executable, args, nil
}

func (p *Plugin) noCommand(name string) error {
	e := fault.New(fault.Failed, "%s has no command %q", p.Name, name)
	if near := fault.Nearest(name, p.CommandNames); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	if len(p.CommandNames) == 0 {
		return e.WithHint("it has no commands")
	}
	return e.WithHint("it has %s", strings.Join(p.CommandNames, ", "))
}

// splitWords splits like a POSIX shell: blanks, quotes, backslashes.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // a word has begun
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != '\'':
			word.WriteByte(c)
		case quote == '"' && c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			word.WriteByte(text[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			open = true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed in %q", text)
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
