package program

import (
	"io"
	"time"

	"elt/internal/check"
	"elt/internal/fault"
)

// Checking is the flag --check of a connector.
type Checking struct {
	On       bool
	Patience time.Duration // of one check, 0 for the usual
}

// Flag is --check, or --check=30s.
func (c *Checking) Flag(name string) Flag {
	return Optional(func(v string) (err error) {
		c.On = true
		if v != "" {
			if c.Patience, err = time.ParseDuration(v); err != nil || c.Patience <= 0 {
				return fault.New(fault.Usage, "%s: --check=%s is no duration", name, v).WithHint("--check, or --check=30s")
			}
		}
		return nil
	}, "--check")
}

// Refused tells a mistake in the settings as a failed check.
func (c *Checking) Refused(err error, out io.Writer) error {
	if !c.On || err == nil || fault.CodeOf(err) != fault.BadConfig {
		return err
	}
	report := check.NewReport(0, check.Lines(out, func(s string) string { return s }))
	report.Add("settings", "", err)
	return report.Err()
}
