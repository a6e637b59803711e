package limit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1000": 1000, "500MB": 500e6, "1.5 GB": 15e8, "2GiB": 2 << 30, "1 KiB": 1024, "7b": 7, "1_000": 1000} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "5 parsecs", "1e3", "5iB", "9999999TB"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, n)
		}
	}
	for text, want := range map[string][2]int64{
		"1000 rows/s": {1000, 0}, "1 row/s": {1, 0}, "5MB/s": {0, 5e6}, "1MiB/s": {0, 1 << 20}, "20 rows/s, 1 kB/s": {20, 1000},
	} {
		rows, bytes, err := ParseRate(text)
		if err != nil || rows != want[0] || bytes != want[1] {
			t.Errorf("ParseRate(%q) = %d, %d, %v; want %v", text, rows, bytes, err, want)
		}
	}
	for _, text := range []string{"", "5", "5/s", "rows/s", "5 MB", "0 rows/s", "5 MB/s,", "5 cows/s"} {
		if _, _, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) has no error", text)
		}
	}
}

func TestStrictest(t *testing.T) {
	got := Limits{Rows: 10, Bytes: 5, Duration: time.Hour}.Strictest(Limits{Rows: 7, Duration: 2 * time.Hour, RowRate: 3})
	if want := (Limits{Rows: 7, Bytes: 5, Duration: time.Hour, RowRate: 3}); got != want {
		t.Errorf("strictest: %+v, want %+v", got, want)
	}
	if (Limits{}).Any() || !got.Any() {
		t.Error("Any")
	}
}

func TestLimitsAreReachedSoftlyThenHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := func(g *Gauge, setting string, hard bool) {
			t.Helper()
			switch r, h := g.Reached(); {
			case setting == "" && r != nil:
				t.Errorf("reached %v", r)
			case setting != "" && (r == nil || r.Setting != setting || h != hard):
				t.Errorf("reached %v, hard %v; want %s, %v", r, h, setting, hard)
			}
		}
		ctx := t.Context()
		g := NewGauge(Limits{Rows: 10, Bytes: 1000})
		g.Add(9, 100)
		check(g, "", false)
		g.Add(1, 100)
		check(g, "max_rows", false)
		g.Add(9, 1800)
		check(g, "max_bytes", true) // whichever is overdrawn counts
		g = NewGauge(Limits{Duration: 10 * time.Minute})
		wait, cancel := g.Context(ctx)
		defer cancel()
		time.Sleep(10*time.Minute - 1)
		check(g, "", false)
		time.Sleep(1)
		check(g, "max_duration", false)
		<-wait.Done()
		check(g, "max_duration", true)
		if took := time.Since(g.started); took != 11*time.Minute {
			t.Errorf("the context ended after %s", took)
		}
		var r *Reached
		if !errors.As(context.Cause(wait), &r) {
			t.Errorf("its cause is %v", context.Cause(wait))
		}
	})
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGauge(Limits{RowRate: 100, ByteRate: 1000})
		for range 10 {
			g.Pace(t.Context(), 10, 10) // a tenth of a second by rows
		}
		if took := time.Since(g.started); took != time.Second {
			t.Errorf("100 rows took %s", took)
		}
		g.Pace(t.Context(), 1, 2000)
		if took := time.Since(g.started); took != 3*time.Second {
			t.Errorf("2000 bytes more: %s", took)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		g.Pace(stopped, 1000, 1000)
		if took := time.Since(g.started); took != 3*time.Second {
			t.Errorf("a stopped run waited until %s", took)
		}
	})
}
