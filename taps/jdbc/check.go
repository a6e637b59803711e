package jdbc

import (
	"context"
	"fmt"

	"elt/internal/check"
	"elt/internal/spec"
)

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	s, err := decode(cfg)
	if err != nil {
		report.Add("settings", "", err)
		return
	}
	report.Add("settings", check.Count(len(s.jars), "jar"), nil)
	report.Do(ctx, "connect", func(ctx context.Context) (string, error) {
		b, err := launch(ctx, s)
		if err != nil {
			return "", err
		}
		defer b.close()
		if err := b.open(); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s by %s, Java %s", b.product, b.version, b.driver, b.java), nil
	})
}
