package project

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"elt/internal/fault"
)

// reference is $NAME (upper case only), ${any_word}, or ours: ${file:PATH}
// and ${exec:COMMAND}. A backslash before it keeps it as text.
var reference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(\\)?\$(?:\{([\p{L}\p{N}_]+)\}|([A-Z][A-Z0-9_]*)|\{(file|exec):([^}]*)\})`)
})

// expander fills references in. One pass: what comes out is not read again.
type expander struct {
	env    map[string]string
	strict bool // an unset variable is an error
	keep   bool // an unset variable stays as written
	// outside fetches ${file:…} and ${exec:…}; nil leaves them as written.
	outside func(scheme, what string) (string, error)
	missing func(name string) // told of every unset variable; may be nil
	secrets *[]string         // collects what outside returned; may be nil
}

// unsetError: a variable that strict mode wants is not set.
type unsetError struct{ name string }

func (e *unsetError) Error() string { return fmt.Sprintf("variable $%s is not set", e.name) }

func (x *expander) text(s string) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	var failed error
	out := reference().ReplaceAllStringFunc(s, func(ref string) string {
		m := reference().FindStringSubmatch(ref)
		if m[1] != "" {
			return ref[1:]
		}
		if m[4] != "" {
			if x.outside == nil || failed != nil {
				return ref
			}
			v, err := x.outside(m[4], m[5])
			if err != nil {
				failed = err
			} else if x.secrets != nil && v != "" {
				*x.secrets = append(*x.secrets, v)
			}
			return v
		}
		name := m[2] + m[3]
		v, set := x.env[name]
		if !set {
			if x.keep {
				return ref
			}
			if x.missing != nil {
				x.missing(name)
			}
			if x.strict && failed == nil {
				failed = &unsetError{name}
			}
		}
		return v
	})
	return out, failed
}

// value expands the texts inside lists and objects, never the keys.
func (x *expander) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return x.text(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			e, err := x.value(item)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case *Map:
		out := NewMap()
		for k, item := range v.All() {
			e, err := x.value(item)
			if err != nil {
				return nil, err
			}
			out.Set(k, e)
		}
		return out, nil
	}
	return v, nil
}

// fetch resolves ${file:PATH} (relative to the root, without the last line
// end) and ${exec:COMMAND} (run by the shell in the root).
func (p *Project) fetch(ctx context.Context, scheme, what string) (string, error) {
	if scheme == "file" {
		path := what
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Root, path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fault.Wrap(fault.Failed, err, "cannot resolve ${file:%s}", what)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	run := p.options.Run
	if run == nil {
		run = runShell
	}
	out, err := run(ctx, p.Root, what, p.options.Environ)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot resolve ${exec:%s}", what)
	}
	return strings.TrimRight(out, "\r\n"), nil
}

// execLimit bounds a command of ${exec:…}: password managers answer at once or wait for a person.
const execLimit = time.Minute

func runShell(ctx context.Context, dir, command string, environ []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, execLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, environ, time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("the command took longer than %s", execLimit)
	}
	return string(out), err
}
