package notify

import (
	"math"
	"slices"
)

const (
	// enough is how many earlier values make a history.
	enough = 5
	// far is how many times the spread a value may lie from the median.
	far = 6
	// normal makes the median of deviations comparable with a standard
	// deviation: 1/Φ⁻¹(3/4).
	normal = 1.4826
)

// band is the range of what is usual: the median of a history, and how far
// from it a value may lie. The median and the median absolute deviation, not
// mean and deviation, so that the one odd value of last week does not make the
// next one usual.
type band struct{ median, width float64 }

// usual is the band of a history; false when that is too short. A width is at
// least half the median, and at least floor.
func usual(history []float64, floor float64) (band, bool) {
	if len(history) < enough {
		return band{}, false
	}
	m := median(history)
	off := make([]float64, len(history))
	for i, v := range history {
		off[i] = math.Abs(v - m)
	}
	return band{m, max(far*normal*median(off), m/2, floor)}, true
}

func (b band) above(v float64) bool { return v > b.median+b.width }
func (b band) below(v float64) bool { return v < b.median-b.width }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
