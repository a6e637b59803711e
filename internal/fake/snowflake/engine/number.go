package engine

import (
	"math"
	"math/big"
	"math/bits"
	"strings"
)

var pow10 = func() (p [77]*big.Int) {
	p[0] = big.NewInt(1)
	for i := 1; i < len(p); i++ {
		p[i] = new(big.Int).Mul(p[i-1], big.NewInt(10))
	}
	return p
}()

var pow10i = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func bigOf(v Value) *big.Int {
	if x, ok := v.X.(*big.Int); ok {
		return x
	}
	return big.NewInt(v.I)
}

func fromBig(x *big.Int, scale int) Value {
	if x.IsInt64() {
		return Value{K: Number, I: x.Int64(), Scale: uint8(scale)}
	}
	return Value{K: Number, X: x, Scale: uint8(scale)}
}

// parseNumber reads a decimal exactly, with an exponent if there is one.
func parseNumber(s string) (Value, bool) {
	s = strings.TrimSpace(s)
	t, neg := s, false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg, t = t[0] == '-', t[1:]
	}
	if t == "" {
		return null, false
	}
	var coef int64
	var digits []byte
	n, scale, seen, dot, i := 0, 0, false, false, 0
	for ; i < len(t); i++ {
		c := t[i]
		if c == '.' && !dot {
			dot = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		if n < 18 {
			coef = coef*10 + int64(c-'0')
		}
		if n == 18 {
			digits = append(digits, []byte(strings.ReplaceAll(t[:i], ".", ""))...)
		}
		if n >= 18 {
			digits = append(digits, c)
		}
		n++
		if dot {
			scale++
		}
	}
	if !seen {
		return null, false
	}
	exp := 0
	if i < len(t) {
		if t[i] != 'e' && t[i] != 'E' || i+1 == len(t) {
			return null, false
		}
		e := t[i+1:]
		eneg := false
		if e[0] == '+' || e[0] == '-' {
			eneg, e = e[0] == '-', e[1:]
		}
		if e == "" || len(e) > 4 {
			return null, false
		}
		for _, c := range []byte(e) {
			if c < '0' || c > '9' {
				return null, false
			}
			exp = exp*10 + int(c-'0')
		}
		if eneg {
			exp = -exp
		}
	}
	scale -= exp
	if digits == nil && scale >= 0 && scale <= 38 {
		if neg {
			coef = -coef
		}
		return Value{K: Number, I: coef, Scale: uint8(scale)}, true
	}
	x := big.NewInt(coef)
	if digits != nil {
		if len(digits) > 400 {
			return null, false
		}
		x.SetString(string(digits), 10)
	}
	if scale < 0 {
		if -scale > 400 {
			return null, false
		}
		x.Mul(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		scale = 0
	}
	if neg {
		x.Neg(x)
	}
	if scale > 76 {
		x = roundDiv(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-76)), nil))
		scale = 76
	}
	return fromBig(x, scale), true
}

func numberText(v Value) string {
	s := bigOf(v).String()
	if v.Scale == 0 {
		return s
	}
	neg := ""
	if s[0] == '-' {
		neg, s = "-", s[1:]
	}
	if n := int(v.Scale) + 1 - len(s); n > 0 {
		s = strings.Repeat("0", n) + s
	}
	return neg + s[:len(s)-int(v.Scale)] + "." + s[len(s)-int(v.Scale):]
}

func roundDiv(x, d *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(x, d, new(big.Int))
	if new(big.Int).Lsh(r.Abs(r), 1).Cmp(d) >= 0 {
		if x.Sign() < 0 {
			q.Sub(q, big.NewInt(1))
		} else {
			q.Add(q, big.NewInt(1))
		}
	}
	return q
}

// rescale changes the scale, rounding half away from zero as Snowflake does.
func rescale(v Value, scale int) Value {
	d := scale - int(v.Scale)
	if d == 0 {
		return v
	}
	if _, isBig := v.X.(*big.Int); !isBig && d > 0 && d < 19 {
		hi, lo := bits.Mul64(uint64(abs(v.I)), uint64(pow10i[d]))
		if hi == 0 && lo < math.MaxInt64 && v.I != math.MinInt64 {
			return Value{K: Number, I: v.I * pow10i[d], Scale: uint8(scale)}
		}
	}
	x := bigOf(v)
	if d > 0 {
		return fromBig(new(big.Int).Mul(x, pow10[d]), scale)
	}
	return fromBig(roundDiv(x, pow10[-d]), scale)
}

func abs(i int64) int64 {
	if i < 0 {
		return -i
	}
	return i
}

// trimZeros removes zeros at the end, so that equal numbers look equal.
func trimZeros(v Value) Value {
	if x, ok := v.X.(*big.Int); ok {
		r := new(big.Int)
		for v.Scale > 0 {
			q, _ := new(big.Int).QuoRem(x, pow10[1], r)
			if r.Sign() != 0 {
				break
			}
			x = q
			v.Scale--
		}
		return fromBig(x, int(v.Scale))
	}
	for v.Scale > 0 && v.I%10 == 0 {
		v.I /= 10
		v.Scale--
	}
	return v
}

func compareNumbers(a, b Value) int {
	if a.Scale == b.Scale && a.X == nil && b.X == nil {
		return order(a.I, b.I)
	}
	s := max(int(a.Scale), int(b.Scale))
	return bigOf(rescale(a, s)).Cmp(bigOf(rescale(b, s)))
}

// fits reports whether the number has at most precision digits.
func fits(v Value, precision int) bool {
	if v.X == nil {
		return precision >= 19 || abs(v.I) < pow10i[min(precision, 18)]
	}
	return bigOf(v).CmpAbs(pow10[precision]) < 0
}

func arithmetic(op string, a, b Value, scale int) (Value, error) {
	x, y := bigOf(a), bigOf(b)
	switch op {
	case "+", "-":
		s := max(int(a.Scale), int(b.Scale))
		x, y = bigOf(rescale(a, s)), bigOf(rescale(b, s))
		if op == "+" {
			return fromBig(new(big.Int).Add(x, y), s), nil
		}
		return fromBig(new(big.Int).Sub(x, y), s), nil
	case "*":
		return rescale(fromBig(new(big.Int).Mul(x, y), int(a.Scale)+int(b.Scale)), scale), nil
	case "/", "%":
		if y.Sign() == 0 {
			return null, errDivision
		}
		if op == "%" {
			s := max(int(a.Scale), int(b.Scale))
			x, y = bigOf(rescale(a, s)), bigOf(rescale(b, s))
			return fromBig(new(big.Int).Rem(x, y), s), nil
		}
		// x·10^-a / y·10^-b, to scale digits
		n := new(big.Int).Mul(x, pow10[scale+int(b.Scale)])
		q := roundDiv(n, new(big.Int).Abs(new(big.Int).Mul(y, pow10[int(a.Scale)])))
		if y.Sign() < 0 {
			q.Neg(q)
		}
		return fromBig(q, scale), nil
	}
	return null, nil
}
