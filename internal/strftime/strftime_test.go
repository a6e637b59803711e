package strftime

import (
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	at := time.Date(2024, 2, 3, 16, 5, 6, 7000, time.UTC)
	for format, want := range map[string]string{
		"%Y-%m-%d.T%H%M%S|%f %j %% %q": "2024-02-03.T160506|000007 034 % %q",
		"%s":                           "1706976306",
		"%F %T%z %":                    "2024-02-03 16:05:06+0000 %",
		"":                             "",
	} {
		if got := Format(format, at); got != want {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
}

func TestUnknownAndPrecision(t *testing.T) {
	for format, want := range map[string]struct {
		unknown   string
		precision time.Duration
	}{
		"%Y-%m-%d":              {"", 24 * time.Hour},
		"%Y-%m-%dT%H:%M:%S.%fZ": {"", time.Microsecond},
		"%s":                    {"", time.Second},
		"%Y-%m %% %q":           {"%q", 0},
		"%R":                    {"", time.Minute},
		"yesterday":             {"", 0},
	} {
		if u, p := Unknown(format), Precision(format); u != want.unknown || p != want.precision {
			t.Errorf("%q: %q, %v", format, u, p)
		}
	}
}
