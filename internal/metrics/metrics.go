// Package metrics counts, and writes what it counted in Prometheus' text
// format 0.0.4. It is not the client library because every process of a run
// would pay for that at its start: docs/decisions/2026-11-21-metrics-by-hand.md.
package metrics

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Kind is what a family's values mean.
type Kind string

// The kinds that are written.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Family is a metric's name, what it says and the names of its labels.
type Family struct {
	Name, Help string
	Kind       Kind
	Labels     []string
}

// Writer writes families. Its methods' errors are kept for Flush.
type Writer struct{ to *bufio.Writer }

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriter(w)} }

// Flush ends the text.
func (w *Writer) Flush() error { return w.to.Flush() }

// Family begins a family: its samples follow, and no other's between them.
func (w *Writer) Family(f Family) {
	w.to.WriteString("# HELP " + f.Name + " " + helpEscapes.Replace(f.Help) + "\n# TYPE " + f.Name + " " + string(f.Kind) + "\n")
}

// Sample writes one value; labels are f's values, in its order.
func (w *Writer) Sample(f Family, value float64, labels ...string) {
	w.sample(f.Name, f.Labels, labels, "", value)
}

// One writes a family with its only sample.
func (w *Writer) One(f Family, value float64, labels ...string) {
	w.Family(f)
	w.Sample(f, value, labels...)
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// sample writes a line; le is a histogram's bound, or empty.
func (w *Writer) sample(name string, names, values []string, le string, value float64) {
	w.to.WriteString(name)
	open := byte('{')
	pair := func(name, value string) {
		w.to.WriteByte(open)
		w.to.WriteString(name + `="` + labelEscapes.Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`)
		open = ','
	}
	for i, n := range names {
		pair(n, values[i])
	}
	if le != "" {
		pair("le", le)
	}
	if open == ',' {
		w.to.WriteByte('}')
	}
	w.to.WriteString(" " + number(value) + "\n")
}

// number is a value as the format wants it: +Inf, -Inf and NaN included.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// Vec counts per labels: a counter, a gauge, or with bounds a histogram. Its methods
// may be called at the same time.
type Vec struct {
	family Family
	bounds []float64 // ascending; a histogram's

	mu    sync.Mutex
	cells map[string]*cell
}

// cell is what one set of labels has counted.
type cell struct {
	labels  []string
	sum     float64
	buckets []uint64 // observations per bound, then above the last
}

// NewVec makes a counter, a gauge, or with bounds a histogram.
func NewVec(f Family, bounds ...float64) *Vec {
	return &Vec{family: f, bounds: bounds, cells: map[string]*cell{}}
}

// Add adds to a counter, or observes a value of a histogram.
func (v *Vec) Add(value float64, labels ...string) {
	key := strings.Join(labels, "\x00")
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.cells[key]
	if c == nil {
		c = &cell{labels: slices.Clone(labels), buckets: make([]uint64, len(v.bounds)+1)}
		v.cells[key] = c
	}
	c.sum += value
	at, _ := slices.BinarySearch(v.bounds, value) // a bound counts itself
	c.buckets[at]++
}

// Set replaces what a gauge says.
func (v *Vec) Set(value float64, labels ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cells[strings.Join(labels, "\x00")] = &cell{labels: slices.Clone(labels), sum: value}
}

// Write writes the family, its labels in order.
func (v *Vec) Write(w *Writer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Family(v.family)
	keys := make([]string, 0, len(v.cells))
	for k := range v.cells {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		c := v.cells[k]
		if v.family.Kind != Histogram {
			w.Sample(v.family, c.sum, c.labels...)
			continue
		}
		count := uint64(0)
		for i, n := range c.buckets {
			le := "+Inf"
			if i < len(v.bounds) {
				le = number(v.bounds[i])
			}
			count += n
			w.sample(v.family.Name+"_bucket", v.family.Labels, c.labels, le, float64(count))
		}
		w.sample(v.family.Name+"_sum", v.family.Labels, c.labels, "", c.sum)
		w.sample(v.family.Name+"_count", v.family.Labels, c.labels, "", float64(count))
	}
}
