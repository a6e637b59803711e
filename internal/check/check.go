// Package check is what a connector says when it is tried out: named checks,
// in order, each passed or failed, a failure with its kind and a hint. A
// connector fills a Report; its process prints one JSON line per check, and
// `elt test` shows them.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"elt/internal/fault"
)

// ErrFailed says that a check failed, and that the report has told it.
var ErrFailed = errors.New("a check failed")

// Patience is how long a check may take unless a Report says otherwise.
const Patience = 30 * time.Second

// Result is one check's end.
type Result struct {
	Check  string     `json:"check"` // "settings", "connect", "login", "discover", "read", "write", …
	Passed bool       `json:"passed"`
	Kind   fault.Kind `json:"kind,omitempty"` // of a failure
	Detail string     `json:"detail,omitempty"`
	Error  string     `json:"error,omitempty"`
	Hint   string     `json:"hint,omitempty"`
}

// Report takes the checks of one connector. One goroutine uses it.
type Report struct {
	Patience time.Duration // of one check
	tell     func(Result)
	failed   int
}

// NewReport makes a report that hands each result to tell; patience 0 is the constant.
func NewReport(patience time.Duration, tell func(Result)) *Report {
	if patience <= 0 {
		patience = Patience
	}
	return &Report{Patience: patience, tell: tell}
}

// Lines is a tell that writes JSON lines to w; hide masks secrets in texts.
func Lines(w io.Writer, hide func(string) string) func(Result) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(r Result) {
		r.Detail, r.Error, r.Hint = hide(r.Detail), hide(r.Error), hide(r.Hint)
		enc.Encode(r) // a reader that is gone needs no report
	}
}

// Do makes one check within the report's patience, and says whether it
// passed. try returns what a user may like to see of a success ("PostgreSQL
// 17.2 as etl"), else the error, which names the kind by fault.KindOf.
func (r *Report) Do(ctx context.Context, name string, try func(ctx context.Context) (detail string, err error)) bool {
	limited, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	detail, err := try(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil && fault.KindOf(err) == fault.KindOther {
		err = fault.Wrap(fault.Failed, err, "no end after %s", r.Patience).WithKind(fault.KindTimeout)
	}
	r.Add(name, detail, err)
	return err == nil
}

// Add is Do for a check that was made already. Joined errors are as many failures.
func (r *Report) Add(name, detail string, err error) {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range list.Unwrap() {
			r.Add(name, "", one)
		}
		return
	}
	result := Result{Check: name, Passed: err == nil, Detail: detail}
	if err != nil {
		r.failed++
		result.Kind, result.Error, result.Hint = fault.KindOf(err), err.Error(), fault.Advice(err)
	}
	r.tell(result)
}

// Err is ErrFailed if a check failed.
func (r *Report) Err() error {
	if r.failed > 0 {
		return ErrFailed
	}
	return nil
}

// Count is "1 stream" or "3 streams", for details.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
