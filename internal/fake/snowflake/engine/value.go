package engine

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// Kind is what a value is.
type Kind uint8

// The kinds. OBJECT and ARRAY are variants that hold an object or an array.
const (
	Null Kind = iota
	Bool
	Number
	Float
	Text
	Binary
	Date
	Time
	NTZ
	LTZ
	TZ
	Variant
	Object
	Array
)

// Value is one cell. Numbers are exact: I × 10^-Scale, or X (*big.Int) ×
// 10^-Scale where 64 bits do not hold them. Dates are days, times nanoseconds
// of the day, timestamps seconds (UTC for LTZ and TZ) and nanoseconds N, with
// Off minutes for TZ. Floats are their bits in I. Variants are JSON in S, or
// a tree in X.
type Value struct {
	K     Kind
	Scale uint8
	Off   int16
	N     int32
	I     int64
	S     string
	X     any
}

var null = Value{}

func text(s string) Value   { return Value{K: Text, S: s} }
func integer(i int64) Value { return Value{K: Number, I: i} }
func boolean(b bool) Value {
	if b {
		return Value{K: Bool, I: 1}
	}
	return Value{K: Bool}
}
func float(f float64) Value { return Value{K: Float, I: int64(math.Float64bits(f))} }

// IsNull reports SQL NULL; the JSON null of a variant is none.
func (v Value) IsNull() bool { return v.K == Null }

func (v Value) isTrue() bool { return v.K == Bool && v.I != 0 }

func (v Value) float() float64 {
	switch v.K {
	case Float:
		return math.Float64frombits(uint64(v.I))
	case Number:
		f, _ := strconv.ParseFloat(v.Text(), 64)
		return f
	}
	return 0
}

// Text is the value as a cast to VARCHAR gives it, with the default output
// formats of a session.
func (v Value) Text() string {
	switch v.K {
	case Bool:
		if v.I != 0 {
			return "true"
		}
		return "false"
	case Number:
		return numberText(v)
	case Float:
		return floatText(v.float())
	case Text:
		return v.S
	case Binary:
		return strings.ToUpper(hex.EncodeToString([]byte(v.S)))
	case Date:
		return dateText(v.I)
	case Time:
		return timeText(v.I, "15:04:05")
	case NTZ, LTZ, TZ:
		return timestampText(v)
	case Variant, Object, Array:
		if s, ok := tree(v).(string); ok {
			return s
		}
		return v.JSON()
	}
	return ""
}

func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if i := strings.Index(s, "e+"); i >= 0 {
		s = s[:i+1] + strings.TrimLeft(s[i+2:], "0")
	}
	return s
}

// Rows are kept as strings of self-describing cells, which is compact and
// needs no schema: a stored row is one allocation.

func appendValue(b []byte, v Value) []byte {
	b = append(b, byte(v.K))
	switch v.K {
	case Null:
	case Bool:
		b = append(b, byte(v.I))
	case Number:
		if big, ok := v.X.(*big.Int); ok {
			t := big.String()
			b = append(b, v.Scale|0x80)
			b = binary.AppendUvarint(b, uint64(len(t)))
			return append(b, t...)
		}
		b = append(b, v.Scale)
		b = binary.AppendVarint(b, v.I)
	case Float, Date:
		b = binary.AppendVarint(b, v.I)
	case Time:
		b = append(b, v.Scale)
		b = binary.AppendVarint(b, v.I)
	case NTZ, LTZ, TZ:
		b = append(b, v.Scale)
		b = binary.AppendVarint(b, v.I)
		b = binary.AppendVarint(b, int64(v.N))
		b = binary.AppendVarint(b, int64(v.Off))
	default:
		s := v.S
		if v.X != nil {
			s = v.JSON()
		}
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func varint(s string) (int64, string) {
	var ux uint64
	for i, shift := 0, uint(0); i < len(s); i, shift = i+1, shift+7 {
		ux |= uint64(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			x := int64(ux >> 1)
			if ux&1 != 0 {
				x = ^x
			}
			return x, s[i+1:]
		}
	}
	return 0, ""
}

func uvarint(s string) (int, string) {
	var ux uint64
	for i, shift := 0, uint(0); i < len(s); i, shift = i+1, shift+7 {
		ux |= uint64(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return int(ux), s[i+1:]
		}
	}
	return 0, ""
}

func readValue(s string) (v Value, rest string) {
	v.K = Kind(s[0])
	s = s[1:]
	switch v.K {
	case Null:
	case Bool:
		v.I, s = int64(s[0]), s[1:]
	case Number:
		v.Scale = s[0] &^ 0x80
		if s[0]&0x80 != 0 {
			n, r := uvarint(s[1:])
			x, _ := new(big.Int).SetString(r[:n], 10)
			v.X, s = x, r[n:]
			break
		}
		v.I, s = varint(s[1:])
	case Float, Date:
		v.I, s = varint(s)
	case Time:
		v.Scale = s[0]
		v.I, s = varint(s[1:])
	case NTZ, LTZ, TZ:
		v.Scale = s[0]
		v.I, s = varint(s[1:])
		var n int64
		n, s = varint(s)
		v.N = int32(n)
		n, s = varint(s)
		v.Off = int16(n)
	default:
		n, r := uvarint(s)
		v.S, s = r[:n], r[n:]
	}
	return v, s
}

func encodeRow(buf []byte, row []Value) []byte {
	buf = buf[:0]
	for _, v := range row {
		buf = appendValue(buf, v)
	}
	return buf
}

// decodeRow fills dst; cells the row does not have stay as they are.
func decodeRow(s string, dst []Value) int {
	n := 0
	for len(s) > 0 && n < len(dst) {
		dst[n], s = readValue(s)
		n++
	}
	return n
}

// groupKey appends a form in which values that are equal are equal bytes.
func groupKey(b []byte, v Value) []byte {
	switch v.K {
	case Number:
		v = trimZeros(v)
	case NTZ, LTZ, TZ:
		v.Scale, v.Off = 0, 0
	case Time:
		v.Scale = 0
	case Variant, Object, Array:
		return groupKey(b, text(v.JSON()))
	}
	return appendValue(b, v)
}

// compare orders two values of the same family; NULL has no order.
func compare(a, b Value) (int, error) {
	switch {
	case a.K == Number && b.K == Number:
		return compareNumbers(a, b), nil
	case isVariant(a.K) || isVariant(b.K):
		if isVariant(a.K) && isVariant(b.K) {
			return compareVariants(a, b)
		}
		var err error
		if isVariant(a.K) {
			a, err = cast(a, typeOf(b), nil)
		} else {
			b, err = cast(b, typeOf(a), nil)
		}
		if err != nil || a.IsNull() || b.IsNull() {
			return -1, err
		}
		return compare(a, b)
	case isNumeric(a.K) && isNumeric(b.K):
		return order(a.float(), b.float()), nil
	case a.K == Text && b.K == Text, a.K == Binary && b.K == Binary:
		return strings.Compare(a.S, b.S), nil
	case a.K == b.K && (a.K == Bool || a.K == Date || a.K == Time):
		return order(a.I, b.I), nil
	case isTimestamp(a.K) && isTimestamp(b.K):
		if a.I != b.I {
			return order(a.I, b.I), nil
		}
		return order(a.N, b.N), nil
	case a.K == Text || b.K == Text:
		// A string beside something else becomes that something.
		var err error
		if a.K == Text {
			a, err = cast(a, typeOf(b), nil)
		} else {
			b, err = cast(b, typeOf(a), nil)
		}
		if err != nil {
			return 0, err
		}
		return compare(a, b)
	case a.K == Date && isTimestamp(b.K):
		a, _ = cast(a, Type{K: b.K, Scale: 9}, nil)
		return compare(a, b)
	case b.K == Date && isTimestamp(a.K):
		b, _ = cast(b, Type{K: a.K, Scale: 9}, nil)
		return compare(a, b)
	}
	return 0, sql.Compile(1044, "42P13", "Invalid argument types for comparison: (%s, %s)", typeOf(a), typeOf(b))
}

func order[T int64 | int32 | float64 | int](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func isVariant(k Kind) bool   { return k >= Variant }
func isNumeric(k Kind) bool   { return k == Number || k == Float }
func isTimestamp(k Kind) bool { return k == NTZ || k == LTZ || k == TZ }
