package check

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
)

func TestReport(t *testing.T) {
	var out bytes.Buffer
	hide := func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }
	r := NewReport(time.Millisecond, Lines(&out, hide))
	if !r.Do(t.Context(), "connect", func(context.Context) (string, error) { return "as <geheim>", nil }) || r.Err() != nil {
		t.Error("a passed check fails")
	}
	slow := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", errors.New("cut off") }
	if r.Do(t.Context(), "login", slow) || r.Err() != ErrFailed {
		t.Error("a failed check passes")
	}
	r.Add("read", "", errors.Join(fault.New(fault.BadInput, "geheim is odd").WithHint("look"), errors.New("b")))
	want := `{"check":"connect","passed":true,"detail":"as <***>"}
{"check":"login","passed":false,"kind":"timeout","error":"no end after 1ms: cut off","hint":"a firewall that drops packets looks like this; so does a slow server: raise the time-out"}
{"check":"read","passed":false,"kind":"shape","error":"*** is odd","hint":"look"}
{"check":"read","passed":false,"kind":"other","error":"b"}
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
