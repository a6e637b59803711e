package taps

import (
	"fmt"

	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/spec"
)

type options struct {
	state, catalog string
	test           string // "": none; "records", "schema"
	discover       bool
	authorize      bool
	checking       program.Checking
}

// flags are those of both Singer families.
func (o *options) flags(name string) []program.Flag {
	var ignored bool
	return []program.Flag{
		program.Text(func(v string) { o.state = v }, "-s", "--state"),
		program.Text(func(v string) { o.catalog = v }, "--catalog", "-p", "--properties"),
		program.Switch(&o.discover, "-d", "--discover"),
		program.Switch(&o.authorize, "--authorize"),
		program.Switch(&ignored, "--dev"),
		o.checking.Flag(name),
		program.Optional(func(v string) error {
			switch v {
			case "", "all", "records":
				o.test = "records"
			case "schema":
				o.test = "schema"
			default:
				return fault.New(fault.Usage, "%s: --test=%s is unknown", name, v).WithHint("--test, or --test=schema")
			}
			return nil
		}, "--test"),
	}
}

func usage(s spec.Spec) string {
	return fmt.Sprintf(`%[2]s

Usage: %[1]s [--config FILE]... [--catalog FILE] [--state FILE]

  -c, --config FILE      settings as JSON; may be repeated, later files win;
                         the word ENV reads %[3]s and the like
  -s, --state FILE       where to go on from
      --catalog FILE     what to read (also -p, --properties)
  -d, --discover         print the catalog of all there is
      --authorize        log in with a browser and keep the login (OAuth2 sources)
      --test[=schema]    read one record of each stream (or only schemas)
      --check[=PATIENCE] try the connection and print JSON lines of results;
                         with a catalog, read the first rows of its streams
      --about            what it is and can; --format json or markdown
      --version
      --help

Without a catalog everything is read. Messages go to standard output, logs to
standard error.
`, s.Name, s.Summary, spec.EnvName(s.Name, "setting"))
}
