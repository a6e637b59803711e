package engine

import (
	"math/big"
	"strings"
	"time"

	"elt/internal/fake/snowflake/sql"
)

func datePart(v []Value) (Value, error) {
	if v[1].K == Text {
		c, err := cast(v[1], Type{K: NTZ, Scale: 9}, nil)
		if err != nil {
			return null, err
		}
		v[1] = c
	}
	sec, n := v[1].I+int64(v[1].Off)*60, int64(v[1].N)
	switch v[1].K {
	case Date:
		sec, n = v[1].I*86400, 0
	case Time:
		sec, n = v[1].I/1e9, v[1].I%1e9
	}
	t := time.Unix(sec, n).UTC()
	switch strings.ToLower(v[0].S) {
	case "year", "yyyy", "y":
		return integer(int64(t.Year())), nil
	case "month", "mon", "mm":
		return integer(int64(t.Month())), nil
	case "day", "d", "dd":
		return integer(int64(t.Day())), nil
	case "hour", "h":
		return integer(int64(t.Hour())), nil
	case "minute", "m", "mi":
		return integer(int64(t.Minute())), nil
	case "second", "s", "sec":
		return integer(int64(t.Second())), nil
	case "nanosecond", "ns":
		return integer(int64(t.Nanosecond())), nil
	case "epoch_second", "epoch":
		return integer(v[1].I), nil
	case "epoch_nanosecond":
		return fromBig(new(big.Int).Add(new(big.Int).Mul(big.NewInt(v[1].I), pow10[9]), big.NewInt(n)), 0), nil
	case "epoch_millisecond":
		return integer(v[1].I*1000 + n/1e6), nil
	case "tzh", "timezone_hour":
		return integer(int64(v[1].Off / 60)), nil
	}
	return null, sql.Unsupported("date part %s", v[0].S)
}

func dateTrunc(v []Value) (Value, error) {
	if v[1].K == TZ || v[1].K == LTZ {
		return null, sql.Unsupported("DATE_TRUNC of %s", v[1].K)
	}
	c, err := cast(v[1], Type{K: NTZ, Scale: 9}, nil)
	if err != nil {
		return null, err
	}
	t := time.Unix(c.I, 0).UTC()
	y, m, d := t.Date()
	h, mi, s := t.Clock()
	switch strings.ToLower(v[0].S) {
	case "year":
		m, d, h, mi, s = 1, 1, 0, 0, 0
	case "month":
		d, h, mi, s = 1, 0, 0, 0
	case "day":
		h, mi, s = 0, 0, 0
	case "hour":
		mi, s = 0, 0
	case "minute":
		s = 0
	case "second":
	default:
		return null, sql.Unsupported("DATE_TRUNC to %s", v[0].S)
	}
	return Value{K: NTZ, I: time.Date(y, m, d, h, mi, s, 0, time.UTC).Unix(), Scale: 9}, nil
}

func dateAdd(v []Value) (Value, error) {
	out, n := v[2], v[1].I
	switch strings.TrimSuffix(strings.ToLower(v[0].S), "s") {
	case "second":
		out.I += n
	case "minute":
		out.I += n * 60
	case "hour":
		out.I += n * 3600
	case "day":
		out.I += n * 86400
	default:
		return null, sql.Unsupported("DATEADD of %s", v[0].S)
	}
	return out, nil
}
