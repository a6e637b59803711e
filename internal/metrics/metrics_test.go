package metrics

import (
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// read is the text as Prometheus' own parser understands it.
func read(t *testing.T, write func(*Writer)) map[string]*dto.MetricFamily {
	t.Helper()
	var b strings.Builder
	w := NewWriter(&b)
	write(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return families
}

func TestPrometheusReadsLabels(t *testing.T) {
	odd := "a\\b\"c\nd,e}=é\x00"
	v := NewVec(Family{"n_total", "Help \\ of\ntwo lines.", Counter, []string{"a", "b"}})
	v.Add(2, odd, "")
	v.Add(0.5, odd, "")
	v.Add(1, "z", "y")
	got := read(t, v.Write)["n_total"]
	if got.GetHelp() != "Help \\ of\ntwo lines." || got.GetType() != dto.MetricType_COUNTER || len(got.Metric) != 2 {
		t.Fatal(got)
	}
	first := got.Metric[0]
	if first.Label[0].GetValue() != odd || first.Label[1].GetValue() != "" || first.Counter.GetValue() != 2.5 {
		t.Error(first)
	}
}

func TestBrokenUTF8InALabel(t *testing.T) {
	v := NewVec(Family{"n_total", "", Counter, []string{"a"}})
	v.Add(1, "x\xff")
	if got := read(t, v.Write)["n_total"].Metric[0].Label[0].GetValue(); got != "x\uFFFD" {
		t.Errorf("%q", got)
	}
}

func TestPrometheusReadsHistograms(t *testing.T) {
	v := NewVec(Family{"d_seconds", "Durations.", Histogram, []string{"p"}}, 1, 5)
	for _, x := range []float64{0.5, 1, 4, 5, 6, 100} {
		v.Add(x, "load")
	}
	h := read(t, v.Write)["d_seconds"].Metric[0].Histogram
	if h.GetSampleCount() != 6 || h.GetSampleSum() != 116.5 {
		t.Error(h)
	}
	for i, want := range []uint64{2, 4, 6} { // a bound is part of its bucket
		if got := h.Bucket[i].GetCumulativeCount(); got != want {
			t.Errorf("bucket %d: %d, not %d", i, got, want)
		}
	}
}

func TestGauge(t *testing.T) {
	v := NewVec(Family{"lag_bytes", "Lag.", Gauge, []string{"slot"}})
	v.Set(5, "s")
	v.Set(3, "s")
	if got := read(t, v.Write)["lag_bytes"]; got.GetType() != dto.MetricType_GAUGE || got.Metric[0].Gauge.GetValue() != 3 {
		t.Error(got)
	}
}

func TestProcess(t *testing.T) {
	got := read(t, func(w *Writer) { WriteProcess(w, time.UnixMilli(1500)) })
	if v := got["process_start_time_seconds"].Metric[0].Gauge.GetValue(); v != 1.5 {
		t.Error(v)
	}
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} {
		if f := got[name]; f == nil || f.Metric[0].GetGauge().GetValue()+f.Metric[0].GetCounter().GetValue() <= 0 {
			t.Errorf("%s: %v", name, f)
		}
	}
}
