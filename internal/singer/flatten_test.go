package singer

import (
	"strings"
	"testing"
)

func TestFlattenedNames(t *testing.T) {
	for _, c := range []struct {
		path  string
		limit int
		want  string
	}{
		{"a/b", 63, "a__b"},
		{"user/address/street", 63, "user__address__street"},
		{"user_account/billing_address/street", 30, "ua__billing_address__street"},
		{"user_account/billing_address/street", 20, "ua__ba__street"},
		{"account/billing_address/street", 20, "acc__ba__street"},
		{"a_very_long_property_name_that_goes_on_and_on_and_on_until_it_is_too_long", 63, "avlpntgoaoaouiitl"},
		{"ThreeLetters/Über_maß/x", 10, "tl__ümß__x"},
	} {
		if got := (Flatten{MaxLevel: 9, MaxKeyLength: c.limit}).name(strings.Split(c.path, "/")); got != c.want {
			t.Errorf("%s in %d: %s, want %s", c.path, c.limit, got, c.want)
		}
	}
}

const nestedSchema = `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"a":{"type":["null","object"],"properties":{"x":{"type":"string"},"b":{"type":"object","properties":{"y":{"type":"number"}}},"free":{"type":"object"}}},"z":{"type":"string"}}},"key_properties":["id"]}`

func TestFlatten(t *testing.T) {
	records := []string{nestedSchema,
		recordOf(`"id":1,"a":{"x":"1","b":{"y":1.50},"free":{"k":[1]}},"z":"z"`),
		recordOf(`"z":"z","a":{"b":{"y":2,"more":1}},"id":2`),
		recordOf(`"id":3,"a":null`), recordOf(`"id":4,"a":{}`), recordOf(`"id":5,"a":{"b":null}`),
	}
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 2}}, records...),
		"schema s(id int64 not null, a__x text, a__b__y numeric, a__free json, z text) key id",
		`warning: stream "s": property "more" is not in its schema: dropped (first in line 3)`,
		`s: 1|1|1.50|{"k":[1]}|z`, "s: 2|NULL|2|NULL|z", "s: 3|NULL|NULL|NULL|NULL", "s: 4|NULL|NULL|NULL|NULL", "s: 5|NULL|NULL|NULL|NULL")
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 1, Separator: "."}}, records[:2]...),
		"schema s(id int64 not null, a.x text, a.b json, a.free json, z text) key id",
		`s: 1|1|{"y":1.50}|{"k":[1]}|z`)
	same(t, readLines(t, ReaderOptions{}, records[:2]...),
		"schema s(id int64 not null, a json, z text) key id",
		`s: 1|{"x":"1","b":{"y":1.50},"free":{"k":[1]}}|z`)
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 1}}, nestedSchema, recordOf(`"id":1,"a":"secret"`)),
		"schema s(id int64 not null, a__x text, a__b json, a__free json, z text) key id",
		`error: line 2, stream "s": property "a" is no object, so it cannot be flattened`)
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 1}}, strings.Replace(nestedSchema, `"z"`, `"a__x"`, 1)),
		`error: line 1, stream "s": two properties make a column called "a__x"; choose another flattening separator`)
	// An object that contains itself ends as JSON.
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 100}},
		`{"type":"SCHEMA","stream":"s","schema":{"definitions":{"t":{"type":"object","properties":{"l":{"$ref":"#/definitions/t"},"r":{"anyOf":[{"$ref":"#/definitions/t"},{"type":"null"}]},"v":{"type":"integer"}}}},"properties":{"t":{"$ref":"#/definitions/t"}}}}`,
		recordOf(`"t":{"l":{"v":1},"v":2}`)),
		"schema s(t__l json, t__r json, t__v int64) key ", `s: {"v":1}|NULL|2`)
	// Values widen flattened columns as well.
	same(t, readLines(t, ReaderOptions{Flatten: Flatten{MaxLevel: 2}, Warn: func(string) {}}, nestedSchema, recordOf(`"id":1,"a":{"b":{"y":"much"}}`)),
		"schema s(id int64 not null, a__x text, a__b__y numeric, a__free json, z text) key id",
		"schema s(id int64 not null, a__x text, a__b__y text, a__free json, z text) key id",
		"s: 1|NULL|much|NULL|NULL")
}
