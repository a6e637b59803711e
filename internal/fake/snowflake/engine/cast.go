package engine

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"elt/internal/fake/snowflake/sql"
)

var errDivision = sql.Errorf(100051, "22012", "Division by zero")

// casting is what a session or a file format says about conversions.
type casting struct {
	zone   *time.Location // TIMEZONE
	base64 bool           // BINARY_FORMAT = BASE64
	utf8   bool           // BINARY_FORMAT = UTF8
	layout string         // TIMESTAMP_FORMAT, translated; "" is AUTO
}

var utcCasting = &casting{zone: time.UTC}

// cast converts a value to a type, or says why Snowflake would not, with
// Snowflake's numbers: 100038 numbers, 100035 timestamps, 100040 dates,
// 100037 booleans, 100078 and 100082 lengths, 100046 and 100132 ranges.
func cast(v Value, to Type, c *casting) (Value, error) {
	if c == nil {
		c = utcCasting
	}
	if v.K == Null {
		return v, nil
	}
	if isVariant(v.K) && !isVariant(to.K) {
		in := fromTree(tree(v))
		if in.K == Null {
			return null, nil
		}
		if isVariant(in.K) {
			if to.K != Text {
				return null, sql.Errorf(100071, "22000", "Failed to cast variant value %s to %s", clip(v.JSON()), to.castName())
			}
			in = text(v.JSON())
		}
		out, err := cast(in, to, c)
		if err != nil {
			return null, sql.Errorf(100071, "22000", "Failed to cast variant value %s to %s", clip(v.JSON()), to.castName())
		}
		return out, nil
	}
	switch to.K {
	case Null:
		return v, nil
	case Bool:
		return toBool(v)
	case Number:
		return toNumber(v, to)
	case Float:
		return toFloat(v)
	case Text:
		return toText(v, to)
	case Binary:
		return toBinary(v, to, c)
	case Date, Time, NTZ, LTZ, TZ:
		return toTemporal(v, to, c)
	case Variant:
		if v.K == Object || v.K == Array {
			v.K = Variant
		}
		return toVariant(v), nil
	case Object, Array:
		return toStructure(v, to)
	}
	return v, nil
}

func (t Type) castName() string {
	if t.K == Number {
		return "FIXED"
	}
	return t.Name()
}

func impossible(v Value, to Type) error {
	return sql.Compile(1065, "22023", "Function CAST cannot be used with arguments of types %s and %s", typeOf(v), to)
}

func toBool(v Value) (Value, error) {
	switch v.K {
	case Bool:
		return v, nil
	case Number:
		return boolean(v.X != nil || v.I != 0), nil
	case Float:
		return boolean(v.float() != 0), nil
	case Text:
		switch strings.ToLower(strings.TrimSpace(v.S)) {
		case "true", "t", "yes", "y", "on", "1":
			return boolean(true), nil
		case "false", "f", "no", "n", "off", "0":
			return boolean(false), nil
		}
		return null, sql.Errorf(100037, "22018", "Boolean value '%s' is not recognized", v.S)
	}
	return null, impossible(v, boolType)
}

func toNumber(v Value, to Type) (Value, error) {
	n := v
	switch v.K {
	case Number:
	case Bool:
		n = integer(v.I)
	case Float:
		f := v.float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return null, sql.Errorf(100038, "22018", "Numeric value '%s' is not recognized", v.Text())
		}
		n, _ = parseNumber(strconv.FormatFloat(f, 'f', -1, 64))
	case Text:
		var ok bool
		if n, ok = parseNumber(v.S); !ok {
			return null, sql.Errorf(100038, "22018", "Numeric value '%s' is not recognized", v.S)
		}
	default:
		return null, impossible(v, to)
	}
	out := rescale(n, to.Scale)
	if !fits(out, to.Prec) {
		return null, sql.Errorf(100132, "22003", "Number out of representable range: type FIXED[SB16](%d,%d){not null}, value %s", to.Prec, to.Scale, n.Text())
	}
	return out, nil
}

func toFloat(v Value) (Value, error) {
	switch v.K {
	case Float:
		return v, nil
	case Number:
		return float(v.float()), nil
	case Bool:
		return float(float64(v.I)), nil
	case Text:
		s := strings.ToLower(strings.TrimSpace(v.S))
		if s == "" || strings.ContainsAny(s, "xp_") {
			return null, sql.Errorf(100038, "22018", "Numeric value '%s' is not recognized", v.S)
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return null, sql.Errorf(100038, "22018", "Numeric value '%s' is not recognized", v.S)
		}
		return float(f), nil
	}
	return null, impossible(v, floatType)
}

func toText(v Value, to Type) (Value, error) {
	s := v.S
	if v.K != Text {
		s = v.Text()
	}
	if to.Length > 0 && len(s) > to.Length && utf8.RuneCountInString(s) > to.Length {
		return null, sql.Errorf(100078, "22000", "String '%s' is too long and would be truncated", clip(s))
	}
	return text(s), nil
}

func toBinary(v Value, to Type, c *casting) (Value, error) {
	switch v.K {
	case Binary:
	case Text:
		var b []byte
		var err error
		switch {
		case c.utf8:
			b = []byte(v.S)
		case c.base64:
			b, err = base64.StdEncoding.DecodeString(v.S)
		default:
			b, err = hex.DecodeString(v.S)
		}
		if err != nil {
			return null, sql.Errorf(100115, "22000", "The following string is not a legal hex-encoded value: '%s'", clip(v.S))
		}
		v = Value{K: Binary, S: string(b)}
	default:
		return null, impossible(v, to)
	}
	if to.Length > 0 && len(v.S) > to.Length {
		return null, sql.Errorf(100145, "22000", "Binary value '%s' is too long and would be truncated", clip(v.Text()))
	}
	return v, nil
}

func toStructure(v Value, to Type) (Value, error) {
	if !isVariant(v.K) {
		if v.K == Text && to.K == Array {
			return Value{K: Array, X: []any{v.S}}, nil
		}
		return null, impossible(v, to)
	}
	t := tree(v)
	if _, isNull := t.(jsonNull); isNull {
		return null, nil
	}
	_, isObject := t.(map[string]any)
	list, isArray := t.([]any)
	switch {
	case to.K == Object && isObject:
		return Value{K: Object, X: t}, nil
	case to.K == Array && isArray:
		return Value{K: Array, X: list}, nil
	case to.K == Array:
		return Value{K: Array, X: []any{t}}, nil
	}
	return null, sql.Errorf(100071, "22000", "Failed to cast variant value %s to %s", clip(v.JSON()), to.Name())
}

func toTemporal(v Value, to Type, c *casting) (Value, error) {
	switch v.K {
	case Text:
		return parseTemporal(v.S, to, c)
	case Number, Float:
		return null, impossible(v, to)
	case Date:
		switch to.K {
		case Date:
			return v, nil
		case NTZ:
			return Value{K: NTZ, I: v.I * 86400, Scale: uint8(to.Scale)}, nil
		case LTZ, TZ:
			return zoned(v.I*86400, 0, to, c.zone), nil
		}
	case Time:
		if to.K == Time {
			return Value{K: Time, I: v.I / pow10i[9-to.Scale] * pow10i[9-to.Scale], Scale: uint8(to.Scale)}, nil
		}
	case NTZ, LTZ, TZ:
		wall := v.I + int64(v.Off)*60
		if v.K == LTZ {
			wall += int64(offsetAt(v.I, c.zone)) * 60
		}
		n := truncFraction(v.N, to.Scale)
		switch to.K {
		case Date:
			return Value{K: Date, I: floorDiv(wall, 86400)}, nil
		case Time:
			day := wall - floorDiv(wall, 86400)*86400
			return Value{K: Time, I: day*1e9 + int64(n), Scale: uint8(to.Scale)}, nil
		case NTZ:
			return Value{K: NTZ, I: wall, N: n, Scale: uint8(to.Scale)}, nil
		case LTZ:
			if v.K == NTZ {
				return zoned(wall, n, to, c.zone), nil
			}
			return Value{K: LTZ, I: v.I, N: n, Scale: uint8(to.Scale)}, nil
		case TZ:
			if v.K == NTZ {
				return zoned(wall, n, to, c.zone), nil
			}
			off := v.Off
			if v.K == LTZ {
				off = int16(offsetAt(v.I, c.zone))
			}
			return Value{K: TZ, I: v.I, N: n, Off: off, Scale: uint8(to.Scale)}, nil
		}
	}
	return null, impossible(v, to)
}

// offsetAt is a zone's offset in minutes at an instant.
func offsetAt(sec int64, zone *time.Location) int {
	_, off := time.Unix(sec, 0).In(zone).Zone()
	return off / 60
}

// zoned makes an instant of a wall clock in a zone.
func zoned(wall int64, n int32, to Type, zone *time.Location) Value {
	u := time.Unix(wall, 0).UTC()
	t := time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), 0, zone)
	v := Value{K: to.K, I: t.Unix(), N: n, Scale: uint8(to.Scale)}
	if to.K == TZ {
		v.Off = int16(offsetAt(v.I, zone))
	}
	return v
}

func parseTemporal(s string, to Type, c *casting) (Value, error) {
	fail := func() (Value, error) {
		switch to.K {
		case Date:
			return null, sql.Errorf(100040, "22007", "Date '%s' is not recognized", s)
		case Time:
			return null, sql.Errorf(100108, "22007", "Time '%s' is not recognized", s)
		}
		return null, sql.Errorf(100035, "22007", "Timestamp '%s' is not recognized", s)
	}
	var p parsed
	var ok bool
	if c.layout != "" && to.K != Time && to.K != Date {
		t, err := time.Parse(c.layout, s)
		if err != nil {
			return fail()
		}
		_, off := t.Zone()
		wall := t.Unix() + int64(off)
		p = parsed{days: floorDiv(wall, 86400), off: off / 60, hasZone: strings.Contains(c.layout, "07"), hasTime: true, hasDate: true}
		p.nanos = (wall-p.days*86400)*1e9 + int64(t.Nanosecond())
	} else if p, ok = parseDateTime(s, to.K == Time); !ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil && to.K != Time {
			p = epoch(n)
		} else {
			return fail()
		}
	}
	n := truncFraction(int32(p.nanos%1e9), to.Scale)
	wall := p.days*86400 + p.nanos/1e9
	switch to.K {
	case Date:
		return Value{K: Date, I: p.days}, nil
	case Time:
		if p.hasZone {
			return fail()
		}
		return Value{K: Time, I: p.nanos/1e9*1e9 + int64(n), Scale: uint8(to.Scale)}, nil
	case NTZ:
		return Value{K: NTZ, I: wall, N: n, Scale: uint8(to.Scale)}, nil
	}
	if !p.hasZone {
		return zoned(wall, n, to, c.zone), nil
	}
	v := Value{K: to.K, I: wall - int64(p.off)*60, N: n, Scale: uint8(to.Scale)}
	if to.K == TZ {
		v.Off = int16(p.off)
	}
	return v, nil
}

// epoch reads an integer in a string as seconds, milli-, micro- or
// nanoseconds by its size, as TO_TIMESTAMP's documentation gives the limits.
func epoch(n int64) parsed {
	const year = 31536000000
	switch a := abs(n); {
	case a < year:
		n *= 1e9
	case a < year*1000:
		n *= 1e6
	case a < year*1000000:
		n *= 1e3
	}
	days := floorDiv(n, 86400e9)
	return parsed{days: days, nanos: n - days*86400e9, hasTime: true, hasDate: true}
}
