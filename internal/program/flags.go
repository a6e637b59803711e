package program

import (
	"slices"
	"strings"

	"elt/internal/fault"
)

// Flag is a flag of a command line. Package flag cannot serve: it knows
// neither repeated values nor optional ones (--test, --test=schema).
type Flag struct {
	Names []string // "-s", "--state"
	set   func(value string) error
	value values
}

// values says whether a flag has a value.
type values int

const (
	none values = iota
	needed
	joined // only behind "="
)

// Text is a flag with a value.
func Text(set func(string), names ...string) Flag {
	return Flag{names, func(v string) error { set(v); return nil }, needed}
}

// Switch is a flag that is on or off.
func Switch(on *bool, names ...string) Flag {
	return Flag{names, func(string) error { *on = true; return nil }, none}
}

// Optional is a flag that may have a value behind "=".
func Optional(set func(string) error, names ...string) Flag {
	return Flag{names, set, joined}
}

func parse(program string, args []string, flags []Flag) error {
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		n := slices.IndexFunc(flags, func(f Flag) bool { return slices.Contains(f.Names, name) })
		if n < 0 {
			return unknown(program, args[i], name, flags)
		}
		if flags[n].value == needed && !has {
			if i++; i == len(args) {
				return fault.New(fault.Usage, "%s: %s needs a value", program, name)
			}
			value = args[i]
		}
		if err := flags[n].set(value); err != nil {
			return err
		}
	}
	return nil
}

func unknown(program, arg, name string, flags []Flag) error {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names...)
	}
	e := fault.New(fault.Usage, "%s: unknown argument %q", program, arg)
	if near := fault.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("try --help")
}
