package run

import (
	"github.com/spf13/pflag"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/project"
	"elt/internal/runner"
)

// Limits are the flags that bound a run; they stand above the tap's extras of
// the same names.
type Limits struct {
	Rows, Bytes, Duration, Rate string
}

func (l *Limits) add(f *pflag.FlagSet, preview *int64) {
	f.StringVar(&l.Rows, "max-rows", "", "end the run at its next bookmark after this many `ROWS`, with exit code 18")
	f.StringVar(&l.Bytes, "max-bytes", "", "the same after so many bytes: `SIZE` is 500MB or 2GiB")
	f.StringVar(&l.Duration, "max-duration", "", "the same after this `TIME`: 90s, 15m, 2h")
	f.StringVar(&l.Rate, "max-rate", "", "move no faster than this `RATE`: \"1000 rows/s\", 5MB/s, or both with a comma")
	f.Int64Var(preview, "limit", 0, "a preview: load the first `ROWS` of each stream and leave the bookmark alone")
}

func (l *Limits) check(preview int64) error {
	if preview < 0 {
		return fault.New(fault.Usage, "--limit is %d", preview).WithHint("a number of rows of each stream")
	}
	for _, one := range []struct {
		flag, text string
		read       func(text string) error
	}{
		{"max-rows", l.Rows, func(text string) error { _, err := limit.ParseRows(text); return err }},
		{"max-bytes", l.Bytes, func(text string) error { _, err := limit.ParseBytes(text); return err }},
		{"max-duration", l.Duration, func(text string) error { _, err := project.ParseDuration(text); return err }},
		{"max-rate", l.Rate, func(text string) error { _, _, err := limit.ParseRate(text); return err }},
	} {
		if one.text == "" {
			continue
		}
		if err := one.read(one.text); err != nil {
			return fault.New(fault.Usage, "--%s: %v", one.flag, err)
		}
	}
	return nil
}

// flag hands what was typed to the tap.
func (l *Limits) flag(o *runner.Options, tap string) {
	for setting, text := range map[string]string{"_max_rows": l.Rows, "_max_bytes": l.Bytes, "_max_duration": l.Duration, "_max_rate": l.Rate} {
		if text != "" {
			o.Flag(tap, setting, text)
		}
	}
}
