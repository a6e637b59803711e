package taps

import (
	"fmt"
	"strings"

	"elt/internal/fault"
	"elt/internal/spec"
)

type options struct {
	configs                        []string
	state, catalog, test, format   string
	discover, about, version, help bool
}

// flagNames are the flags of both Singer families, short and long.
var flagNames = []string{"-c", "--config", "-s", "--state", "-d", "--discover", "-p", "--properties", "--catalog",
	"--test", "--about", "--format", "--version", "-h", "--help", "--dev"}

// parseArgs reads a Singer command line. The standard flag package cannot: it
// knows no optional value (--test, --test=schema).
func parseArgs(name string, args []string) (*options, error) {
	o := &options{}
	for i := 0; i < len(args); i++ {
		flag, value, joined := strings.Cut(args[i], "=")
		take := func(into *string) error {
			if !joined {
				if i+1 >= len(args) {
					return fault.New(fault.Usage, "%s: %s needs a value", name, flag)
				}
				i++
				value = args[i]
			}
			*into = value
			return nil
		}
		var err error
		switch flag {
		case "-c", "--config":
			var config string
			err = take(&config)
			o.configs = append(o.configs, config)
		case "-s", "--state":
			err = take(&o.state)
		case "--catalog", "-p", "--properties":
			err = take(&o.catalog)
		case "--format":
			err = take(&o.format)
		case "--test":
			switch value {
			case "", "all", "records":
				o.test = "records"
			case "schema":
				o.test = "schema"
			default:
				err = fault.New(fault.Usage, "%s: --test=%s is unknown", name, value).WithHint("--test, or --test=schema")
			}
		case "-d", "--discover":
			o.discover = true
		case "--about":
			o.about = true
		case "--version":
			o.version = true
		case "-h", "--help":
			o.help = true
		case "--dev":
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
	return o, nil
}

func usage(s spec.Spec) string {
	return fmt.Sprintf(`%[2]s

Usage: %[1]s [--config FILE]... [--catalog FILE] [--state FILE]

  -c, --config FILE      settings as JSON; may be repeated, later files win;
                         the word ENV reads %[3]s and the like
  -s, --state FILE       where to go on from
      --catalog FILE     what to read (also -p, --properties)
  -d, --discover         print the catalog of all there is
      --test[=schema]    read one record of each stream (or only schemas)
      --about            what it is and can; --format json or markdown
      --version
      --help

Without a catalog everything is read. Messages go to standard output, logs to
standard error.
`, s.Name, s.Summary, spec.EnvName(s.Name, "setting"))
}
