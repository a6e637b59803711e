package row

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The quick way through plain decimals gives the bytes that the general one does.
func TestPlainDecimals(t *testing.T) {
	same := func(text string) {
		t.Helper()
		want, ok := AppendNumeric(nil, []byte(text+"e0")) // the same, but not plain
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		got, ok := AppendNumeric([]byte("x"), []byte(text))
		if !ok || !bytes.Equal(got[1:], want) {
			t.Fatalf("%s is %x, want %x", text, got[1:], want)
		}
		out, d := AppendNumericPrefix([]byte("x"), []byte(text+",1"))
		whole, frac, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
		if d.End == 0 {
			if len(whole) <= 16 && len(frac) <= 8 && (whole == "0" || whole[0] != '0') {
				t.Fatalf("%s is plain", text)
			}
			if len(out) != 1 {
				t.Fatalf("%s: %x was appended", text, out[1:])
			}
			return
		}
		if d != (Decimal{len(text), len(whole), len(frac)}) || !bytes.Equal(out[1:], want) {
			t.Fatalf("%s is %x (%+v), want %x", text, out[1:], d, want)
		}
	}
	for _, text := range []string{"0", "-0", "0.0", "-0.00", "1", "10000", "9999", "99990000", "100000000", "1000000000000", "9999999999999999", "10000000000000000",
		"0.1", "0.0001", "0.00001", "0.00000001", "0.000000001", "12.5", "-12.50", "10000.0000", "1.10000000", "1.123456789", "007", "00.5"} {
		same(text)
	}
	for _, text := range []string{"", "-", ".5", "5.", "1e3", "1.5E3", "x1", "+1", "-.5", "--1"} {
		if out, d := AppendNumericPrefix(nil, []byte(text)); d.End != 0 || len(out) != 0 {
			t.Errorf("%q is no plain decimal, but %x", text, out)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		same(rapid.StringMatching(`-?[0-9]{1,18}(\.[0-9]{1,10})?`).Draw(r, "text"))
	})
}

func TestDaysOfAllYears(t *testing.T) {
	for days := -800000; days < 3000000; days += 17 { // years -220 to 10183
		y, m, d := civil(days)
		if at := time.Unix(0, 0).UTC().AddDate(0, 0, days); at.Year() != y || int(at.Month()) != m || at.Day() != d {
			t.Fatalf("day %d is %d-%d-%d, want %s", days, y, m, d, at)
		}
	}
	rapid.Check(t, func(r *rapid.T) { // whatever a date or a timestamp can be
		days := rapid.IntRange(-1<<31, 1<<31+pgEpochDays).Draw(r, "days")
		if y, m, d := civil(days); daysOf(y, m, d) != days || m < 1 || m > 12 || d < 1 || d > 31 {
			r.Fatalf("day %d is %d-%d-%d", days, y, m, d)
		}
	})
}

func TestDatesOfTenLetters(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`[0-2][0-9]{3}[-/][0-39 ][0-9][-.][0-3][0-9x]`).Draw(r, "text")
		want, valid := ParseDate([]byte("+" + text)) // the general way
		if got, ok := ParseDate([]byte(text)); ok != valid || ok && got != want {
			r.Fatalf("%s is %d %v, want %d %v", text, got, ok, want, valid)
		}
	})
}

func TestJSONStringsOfAllLengths(t *testing.T) {
	for n := range 40 {
		for at := range n {
			for _, odd := range []string{"\"", "\\", "\n", "\x00", "\x1f", "\x7f", "é", "\xff", "a"} {
				text := strings.Repeat("x", at) + odd + strings.Repeat("~", n-at-1)
				raw := AppendJSONString(nil, []byte(text))
				var back string
				if err := json.Unmarshal(raw, &back); err != nil || back != strings.ToValidUTF8(text, "\ufffd") {
					t.Fatalf("%q is %s, and that %q (%v)", text, raw, back, err)
				}
			}
		}
	}
}
