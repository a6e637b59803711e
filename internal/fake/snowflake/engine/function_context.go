package engine

import (
	"strconv"
)

// context functions are fixed by the session.
func (sc *scope) context(name string) (func() Value, Type, bool) {
	s := sc.s
	named := func(n string) func() Value {
		return func() Value {
			if n == "" {
				return null
			}
			return text(n)
		}
	}
	now := s.engine.now()
	switch name {
	case "CURRENT_DATABASE":
		return named(s.Database), textType, true
	case "CURRENT_SCHEMA":
		return named(s.Schema), textType, true
	case "CURRENT_ROLE":
		return named(s.Role), textType, true
	case "CURRENT_WAREHOUSE":
		return named(s.Warehouse), textType, true
	case "CURRENT_USER":
		return named(s.User), textType, true
	case "CURRENT_SESSION":
		return named(strconv.FormatInt(s.ID, 10)), textType, true
	case "CURRENT_ACCOUNT":
		return named("TESTACCT"), textType, true
	case "CURRENT_REGION":
		return named("FAKE_LOOPBACK"), textType, true
	case "CURRENT_VERSION":
		return named("9.99.0-fake"), textType, true
	case "CURRENT_CLIENT":
		return named("Go"), textType, true
	case "LAST_QUERY_ID":
		return named(s.lastQuery()), textType, true
	case "CURRENT_TRANSACTION":
		if s.tx != nil && s.explicit {
			return named(strconv.FormatInt(s.tx.id, 10)), textType, true
		}
		return named(""), textType, true
	case "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "GETDATE", "SYSTIMESTAMP":
		return func() Value { return Value{K: LTZ, I: now.Unix(), N: int32(now.Nanosecond()), Scale: 9} }, Type{K: LTZ, Scale: 9}, true
	case "SYSDATE":
		return func() Value { return Value{K: NTZ, I: now.Unix(), N: int32(now.Nanosecond()), Scale: 9} }, Type{K: NTZ, Scale: 9}, true
	case "CURRENT_DATE", "CURRENT_TIME", "LOCALTIME":
		t := now.In(sc.casting().zone)
		_, off := t.Zone()
		wall := t.Unix() + int64(off)
		day := floorDiv(wall, 86400)
		if name == "CURRENT_DATE" {
			return func() Value { return Value{K: Date, I: day} }, Type{K: Date}, true
		}
		return func() Value { return Value{K: Time, I: (wall-day*86400)*1e9 + int64(t.Nanosecond()), Scale: 9} }, Type{K: Time, Scale: 9}, true
	}
	return nil, Type{}, false
}
