package load

import (
	"fmt"
	"strings"

	"elt/internal/fault"
	"elt/internal/spec"
)

// arguments of a Singer target.
type arguments struct {
	configs              []string
	input, format        string
	about, version, help bool
}

var flagNames = []string{"-c", "--config", "--input", "--about", "--format", "--version", "-h", "--help"}

func parseArgs(name string, args []string) (*arguments, error) {
	a := &arguments{}
	for i := 0; i < len(args); i++ {
		flag, value, joined := strings.Cut(args[i], "=")
		text := func() (string, error) {
			if joined {
				return value, nil
			}
			if i++; i == len(args) {
				return "", fault.New(fault.Usage, "%s: %s needs a value", name, flag)
			}
			return args[i], nil
		}
		var err error
		switch flag {
		case "-c", "--config":
			var config string
			config, err = text()
			a.configs = append(a.configs, config)
		case "--input":
			a.input, err = text()
		case "--format":
			a.format, err = text()
		case "--about":
			a.about = true
		case "--version":
			a.version = true
		case "-h", "--help":
			a.help = true
		default:
			e := fault.New(fault.Usage, "%s: unknown argument %q", name, args[i]).WithHint("try --help")
			if near := fault.Nearest(flag, flagNames); near != "" {
				e = e.WithHint("did you mean %s?", near)
			}
			err = e
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

func usage(s spec.Spec) string {
	return fmt.Sprintf(`%[2]s

Usage: %[1]s [--config FILE]... [--input FILE]

  -c, --config FILE      settings as JSON; may be repeated, later files win;
                         the word ENV reads %[3]s and the like
      --input FILE       read messages from a file instead of standard input
      --about            what it is and can; --format json or markdown
      --version
      --help

Reads Singer messages from standard input. STATE goes to standard output once
the rows before it are committed, logs go to standard error.
`, s.Name, s.Summary, spec.EnvName(s.Name, "setting"))
}
