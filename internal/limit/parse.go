package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units of sizes: powers of 1000, and with an i of 1024.
var units = [...]string{"", "k", "m", "g", "t"}

// ParseBytes reads a size: "500 MB", "1GiB", or a number of bytes.
func ParseBytes(text string) (int64, error) {
	number, unit := cut(text)
	unit = strings.TrimSuffix(strings.ToLower(unit), "b")
	base := 1000.0
	if rest, binary := strings.CutSuffix(unit, "i"); binary && rest != "" {
		unit, base = rest, 1024
	}
	for power, name := range units {
		n, err := strconv.ParseFloat(number, 64)
		if n *= math.Pow(base, float64(power)); unit == name && err == nil && n >= 0 && n < 1<<62 {
			return int64(n), nil
		}
	}
	return 0, fmt.Errorf("%q is no size, as 500MB, 2GiB or 1000000 is", text)
}

// ParseRows reads a number of rows.
func ParseRows(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(strings.TrimSpace(text), "_", ""), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of rows", text)
	}
	return n, nil
}

// ParseRate reads rates per second, of rows, of bytes or both: "1000 rows/s",
// "5 MB/s", "1000 rows/s, 5 MB/s".
func ParseRate(text string) (rows, bytes int64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		amount, second := strings.CutSuffix(strings.ToLower(strings.TrimSpace(part)), "/s")
		number, ofRows := strings.CutSuffix(strings.TrimSuffix(amount, "s"), "row")
		var n int64
		switch {
		case !second:
			err = fmt.Errorf("no unit")
		case ofRows:
			n, err = ParseRows(number)
			rows = n
		case strings.HasSuffix(amount, "b"):
			n, err = ParseBytes(amount)
			bytes = n
		default:
			err = fmt.Errorf("no unit")
		}
		if err != nil || n == 0 {
			return 0, 0, fmt.Errorf("%q is no rate, as 1000 rows/s, 5 MB/s, or both with a comma is", text)
		}
	}
	return rows, bytes, nil
}

// cut parts a number from its unit.
func cut(text string) (number, unit string) {
	text = strings.TrimSpace(text)
	end := len(text)
	if at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '_' }); at >= 0 {
		end = at
	}
	return strings.ReplaceAll(text[:end], "_", ""), strings.TrimSpace(text[end:])
}
