package targettest

import (
	"fmt"
	"slices"
	"strings"

	"elt/internal/load"
)

// testCase is some runs into one destination, and what is there then.
type testCase struct {
	name     string // group/what
	settings map[string]any
	runs     []run
	want     map[string][]Want
	merges   bool // needs a destination that knows keys
}

// run is one input.
type run struct {
	lines    []string
	settings map[string]any
	environ  []string
	fails    string   // part of the error
	out      []string // lines on stdout; nil: not looked at
}

// lines is a run that succeeds.
func lines(l ...string) run { return run{lines: l} }

func schema(stream, properties string, keys ...string) string {
	return fmt.Sprintf(`{"type":"SCHEMA","stream":%q,"schema":{"type":"object","properties":{%s}},"key_properties":[%s]}`,
		stream, properties, strings.Join(keys, ","))
}

func record(stream, body string) string {
	return fmt.Sprintf(`{"type":"RECORD","stream":%q,"record":%s}`, stream, body)
}

func versioned(stream, body string, version int64) string {
	return fmt.Sprintf(`{"type":"RECORD","stream":%q,"record":%s,"version":%d}`, stream, body, version)
}

func activate(stream string, version int64) string {
	return fmt.Sprintf(`{"type":"ACTIVATE_VERSION","stream":%q,"version":%d}`, stream, version)
}

func state(value string) string { return `{"type":"STATE","value":` + value + `}` }

var broken = []string{load.EnvEnd + "=1"} // and no end line follows

func cases() []testCase {
	return slices.Concat(messageCases(), typeCases(), mergeCases(), schemaCases(), versionCases(), stateCases())
}

// id is the property that most streams have.
const id = `"id":{"type":"integer"}`

func one(stream string, w ...Want) map[string][]Want { return map[string][]Want{stream: w} }

// messageCases are about the lines themselves.
func messageCases() []testCase {
	long := strings.Repeat("x", 3<<20)
	return []testCase{
		{name: "messages/rows arrive", runs: []run{lines(schema("a", id+`,"name":{"type":["null","string"]}`, `"id"`),
			record("a", `{"id":1,"name":"one"}`), record("a", `{"id":2,"name":null}`), record("a", `{"id":3}`))},
			want: one("a", Want{"id": Number("1"), "name": Text("one")}, Want{"id": Number("2"), "name": Null}, Want{"id": Number("3"), "name": Null})},
		{name: "messages/lower case and unknown types", runs: []run{lines(`{"type":"schema","stream":"a","schema":{"type":"object","properties":{`+id+`}},"key_properties":["id"]}`,
			`{"type":"record","stream":"a","record":{"id":1}}`, `{"type":"GREETING","text":"hello"}`, `{"type":"state","value":{"x":1}}`)},
			want: one("a", Want{"id": Number("1")})},
		{name: "messages/no key_properties", runs: []run{lines(`{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{`+id+`}}}`,
			record("a", `{"id":1}`), record("a", `{"id":1}`))},
			want: one("a", Want{"id": Number("1")}, Want{"id": Number("1")})},
		{name: "messages/record before schema", runs: []run{{lines: []string{record("a", `{"id":1}`)}, fails: `stream "a"`}}},
		{name: "messages/schema without properties", runs: []run{{lines: []string{`{"type":"SCHEMA","stream":"a","schema":{"type":"object"},"key_properties":[]}`}, fails: "properties"}}},
		{name: "messages/not JSON", runs: []run{{lines: []string{schema("a", id), `Traceback (most recent call last):`}, fails: "line 2"}}},
		{name: "messages/empty lines and a long line", runs: []run{lines(schema("a", id+`,"t":{"type":"string"}`, `"id"`), "", record("a", `{"id":1,"t":"`+long+`"}`))},
			want: one("a", Want{"id": Number("1"), "t": Text(long)})},
		{name: "messages/property that is not in the schema", runs: []run{lines(schema("a", id, `"id"`), record("a", `{"id":1,"more":"x"}`))},
			want: one("a", Want{"id": Number("1")})},
		{name: "messages/bad record in quarantine", settings: map[string]any{"on_bad_record": "quarantine"},
			runs: []run{lines(schema("a", id, `"id"`), record("a", `{"id":1}`), record("a", `{"id":null}`), record("a", `{"id":2}`), state(`{"x":1}`))},
			want: one("a", Want{"id": Number("1")}, Want{"id": Number("2")})},
		{name: "messages/bad records beyond the limit", settings: map[string]any{"on_bad_record": "quarantine", "max_bad_records": 1},
			runs: []run{{lines: []string{schema("a", id, `"id"`), record("a", `{"id":null}`), record("a", `{"id":null}`)}, fails: "max_bad_records = 1"}}},
		{name: "messages/empty stream", runs: []run{lines(schema("a", id, `"id"`))}},
		{name: "messages/a stream's odd name", runs: []run{lines(schema("test:SpecialChars!in?attributes", `"_id":{"type":"string"},"d":{"type":"object","properties":{"agent:type":{"type":"string"}}}`, `"_id"`),
			record("test:SpecialChars!in?attributes", `{"_id":"x","d":{"agent:type":"desktop"}}`))},
			want: one("test:SpecialChars!in?attributes", Want{"_id": Text("x"), "d": JSON(`{"agent:type":"desktop"}`)})},
	}
}

// typeCases are about values.
func typeCases() []testCase {
	value := func(name, property, in string, want Value) testCase {
		return testCase{name: "types/" + name, runs: []run{lines(schema("a", id+`,"v":`+property, `"id"`), record("a", `{"id":1,"v":`+in+`}`))},
			want: one("a", Want{"id": Number("1"), "v": want})}
	}
	replaced := value("NUL, replaced", `{"type":"string"}`, `"a\u0000b"`, Text("a\ufffdb"))
	replaced.settings = map[string]any{"nul": "replace"}
	refused := value("NUL, refused", `{"type":"string"}`, `"a\u0000b"`, Null)
	refused.settings, refused.want = map[string]any{"nul": "fail"}, nil
	refused.runs[0].fails = `stream "a"`
	const huge = "123456789012345678901234567890.123456789"
	return []testCase{
		replaced, refused,
		value("empty string", `{"type":["null","string"]}`, `""`, Text("")),
		value("null", `{"type":["string","null"]}`, `null`, Null),
		value("unicode", `{"type":"string"}`, `"Ünï \u00e7 \ud83d\ude00 \"q\" \\ \/"`, Text(`Ünï ç 😀 "q" \ /`)),
		value("line ends and commas", `{"type":"string"}`, `"a,b\r\nc\td;\n"`, Text("a,b\r\nc\td;\n")),
		value("lone surrogate", `{"type":"string"}`, `"a\ud800b"`, Text("a\ufffdb")),
		value("broken UTF-8", `{"type":"string"}`, "\"a\xffb\"", Text("a\ufffdb")),
		value("boolean", `{"type":"boolean"}`, `false`, Bool(false)),
		value("integer zero", `{"type":"integer"}`, `0`, Number("0")),
		value("integer beyond 2^53", `{"type":"integer"}`, `9007199254740993`, Number("9007199254740993")),
		value("smallest int64", `{"type":"integer"}`, `-9223372036854775808`, Number("-9223372036854775808")),
		value("integer beyond int64", `{"type":["null","integer"]}`, `18446744073709551616`, Number("18446744073709551616")),
		value("integer written as a decimal", `{"type":"integer"}`, `5.0`, Number("5")),
		value("number", `{"type":"number"}`, `123.456`, Number("123.456")),
		value("number with many digits", `{"type":"number"}`, huge, Number(huge)),
		value("number with an exponent", `{"type":"number"}`, `1.5e3`, Number("1500")),
		value("number multipleOf", `{"type":"number","multipleOf":0.01}`, `12.34`, Number("12.34")),
		value("NaN", `{"type":["null","number"]}`, `NaN`, Null),
		value("Infinity", `{"type":["null","number"]}`, `-Infinity`, Null),
		value("singer.decimal", `{"type":["null","string"],"format":"singer.decimal"}`, `"`+huge+`"`, Number(huge)),
		value("x-singer.decimal", `{"type":["null","string"],"format":"x-singer.decimal","precision":39,"scale":9}`, `"`+huge+`"`, Number(huge)),
		value("scale_precision", `{"type":["null","string"],"format":"singer.decimal","additionalProperties":{"scale_precision":"(39,9)"}}`, `"`+huge+`"`, Number(huge)),
		value("date-time with zone", `{"type":"string","format":"date-time"}`, `"2024-05-06T07:08:09.123456+02:00"`, Instant("2024-05-06T05:08:09.123456Z")),
		value("date-time with a space", `{"type":"string","format":"date-time"}`, `"2024-05-06 07:08:09"`, Instant("2024-05-06T07:08:09")),
		value("date-time with its zone twice", `{"type":"string","format":"date-time"}`, `"2024-05-06T07:08:09+00:00+00:00"`, Instant("2024-05-06T07:08:09Z")),
		value("object", `{"type":"object","properties":{"a":{"type":"integer"}}}`, `{"a":1,"b":[1.10,"x"]}`, JSON(`{"a":1,"b":[1.10,"x"]}`)),
		value("object of unknown shape", `{"type":["null","object"]}`, `{"z":{"y":null}}`, JSON(`{"z":{"y":null}}`)),
		value("array", `{"type":["array","null"],"items":{"type":"string"}}`, `["a","b"]`, JSON(`["a","b"]`)),
		value("a string is no array", `{"type":["array","string","null"]}`, `"a,b"`, Any),
		value("no type", `{}`, `"free"`, Text("free")),
		value("string or integer, a string", `{"type":["string","integer"]}`, `"one"`, Text("one")),
		value("string or integer, an integer", `{"type":["string","integer"]}`, `7`, Text("7")),
		value("anyOf date-time or null", `{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}]}`, `"2024-05-06T07:08:09Z"`, Instant("2024-05-06T07:08:09Z")),
		value("anyOf string or null", `{"anyOf":[{"type":"null"},{"type":"string"}]}`, `"x"`, Text("x")),
		value("anyOf object or string", `{"anyOf":[{"type":"object","properties":{}},{"type":"string"}]}`, `{"k":1}`, JSON(`{"k":1}`)),
		value("maxLength", `{"type":"string","maxLength":4294967295}`, `"x"`, Text("x")),
	}
}

// mergeCases need a destination that knows keys.
func mergeCases() []testCase {
	two := id + `,"n":{"type":["null","integer"]}`
	all := []testCase{
		{name: "merge/the last of a key wins", runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`), record("a", `{"id":2,"n":2}`), record("a", `{"id":1,"n":100}`))},
			want: one("a", Want{"id": Number("1"), "n": Number("100")}, Want{"id": Number("2"), "n": Number("2")})},
		{name: "merge/a later run updates", runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`), record("a", `{"id":2,"n":2}`)),
			lines(schema("a", two, `"id"`), record("a", `{"id":2}`), record("a", `{"id":3,"n":3}`))},
			want: one("a", Want{"id": Number("1"), "n": Number("1")}, Want{"id": Number("2"), "n": Null}, Want{"id": Number("3"), "n": Number("3")})},
		{name: "merge/absent: keep", settings: map[string]any{"absent": "keep"}, runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":2,"n":2}`)),
			lines(schema("a", two, `"id"`), record("a", `{"id":2}`))},
			want: one("a", Want{"id": Number("2"), "n": Number("2")})},
		{name: "merge/composite key with falsy parts", runs: []run{lines(schema("a", id+`,"s":{"type":"string"},"n":{"type":"integer"}`, `"id"`, `"s"`),
			record("a", `{"id":0,"s":"","n":1}`), record("a", `{"id":0,"s":"x","n":2}`), record("a", `{"id":0,"s":"","n":3}`))},
			want: one("a", Want{"id": Number("0"), "s": Text(""), "n": Number("3")}, Want{"id": Number("0"), "s": Text("x"), "n": Number("2")})},
		{name: "merge/boolean key", runs: []run{lines(schema("a", `"k":{"type":"boolean"},"n":{"type":"integer"}`, `"k"`), record("a", `{"k":false,"n":1}`), record("a", `{"k":false,"n":2}`))},
			want: one("a", Want{"k": Bool(false), "n": Number("2")})},
		{name: "merge/key changes on the way", runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`),
			schema("a", two, `"id"`, `"n"`), record("a", `{"id":1,"n":2}`), record("a", `{"id":1,"n":2}`))},
			want: one("a", Want{"id": Number("1"), "n": Number("1")}, Want{"id": Number("1"), "n": Number("2")})},
		{name: "merge/null key", runs: []run{{lines: []string{schema("a", `"id":{"type":["null","integer"]}`, `"id"`), record("a", `{"id":null}`)}, fails: `stream "a"`}}},
		{name: "merge/missing key", runs: []run{{lines: []string{schema("a", two, `"id"`), record("a", `{"n":1}`)}, fails: `stream "a"`}}},
		{name: "merge/append-only", settings: map[string]any{"load_method": "append-only"}, runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`)), lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":2}`))},
			want: one("a", Want{"id": Number("1"), "n": Number("1")}, Want{"id": Number("1"), "n": Number("2")})},
		{name: "merge/overwrite", settings: map[string]any{"load_method": "overwrite"}, runs: []run{lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`)), lines(schema("a", two, `"id"`), record("a", `{"id":2,"n":2}`))},
			want: one("a", Want{"id": Number("2"), "n": Number("2")})},
		{name: "merge/overwrite with a schema change on the way", settings: map[string]any{"load_method": "overwrite"}, runs: []run{
			lines(schema("a", id, `"id"`), record("a", `{"id":9}`)),
			lines(schema("a", id, `"id"`), record("a", `{"id":1}`), schema("a", two, `"id"`), record("a", `{"id":2,"n":2}`))},
			want: one("a", Want{"id": Number("1"), "n": Null}, Want{"id": Number("2"), "n": Number("2")})},
		{name: "merge/overwrite that breaks leaves the old rows", settings: map[string]any{"load_method": "overwrite", "batch_size_rows": 1}, runs: []run{
			lines(schema("a", two, `"id"`), record("a", `{"id":1,"n":1}`)),
			{lines: []string{schema("a", two, `"id"`), record("a", `{"id":2,"n":2}`), state(`{"x":1}`), record("a", `{"id":3,"n":3}`)}, environ: broken, fails: "did not finish", out: []string{""}}},
			want: one("a", Want{"id": Number("1"), "n": Number("1")})},
	}
	for i := range all {
		all[i].merges = true
	}
	return all
}

// schemaCases are about shapes that change and names.
func schemaCases() []testCase {
	return []testCase{
		{name: "schema/columns appear", runs: []run{lines(schema("a", id, `"id"`), record("a", `{"id":1}`),
			schema("a", id+`,"b":{"type":"string"}`, `"id"`), record("a", `{"id":2,"b":"x"}`)),
			lines(schema("a", id+`,"c":{"type":"boolean"}`, `"id"`), record("a", `{"id":3,"c":true}`))},
			want: one("a", Want{"id": Number("1"), "b": Null}, Want{"id": Number("2"), "b": Text("x"), "c": Null}, Want{"id": Number("3"), "b": Null, "c": Bool(true)})},
		{name: "schema/integer becomes a number, then a string", runs: []run{lines(schema("a", id+`,"v":{"type":"integer"}`, `"id"`), record("a", `{"id":1,"v":7}`)),
			lines(schema("a", id+`,"v":{"type":"number"}`, `"id"`), record("a", `{"id":2,"v":7.25}`)),
			lines(schema("a", id+`,"v":{"type":"string"}`, `"id"`), record("a", `{"id":3,"v":"seven"}`))},
			want: one("a", Want{"id": Number("1"), "v": Number("7")}, Want{"id": Number("2"), "v": Number("7.25")}, Want{"id": Number("3"), "v": Text("seven")})},
		{name: "schema/a string column takes integers", runs: []run{lines(schema("a", id+`,"v":{"type":"string"}`, `"id"`), record("a", `{"id":1,"v":"x"}`)),
			lines(schema("a", id+`,"v":{"type":"integer"}`, `"id"`), record("a", `{"id":2,"v":5}`))},
			want: one("a", Want{"id": Number("1"), "v": Text("x")}, Want{"id": Number("2"), "v": Text("5")})},
		{name: "schema/the same one again", runs: []run{lines(schema("a", id, `"id"`), record("a", `{"id":1}`), schema("a", id, `"id"`), record("a", `{"id":2}`))},
			want: one("a", Want{"id": Number("1")}, Want{"id": Number("2")})},
		{name: "schema/freeze", settings: map[string]any{"on_schema_change": "freeze"}, runs: []run{lines(schema("a", id, `"id"`), record("a", `{"id":1}`),
			schema("a", id+`,"b":{"type":"string"}`, `"id"`), record("a", `{"id":2,"b":"x"}`))},
			want: one("a", Want{"id": Number("1")}, Want{"id": Number("2"), "b": Null})},
		{name: "schema/fail", settings: map[string]any{"on_schema_change": "fail"}, runs: []run{{fails: "b", lines: []string{schema("a", id, `"id"`), record("a", `{"id":1}`),
			schema("a", id+`,"b":{"type":"string"}`, `"id"`), record("a", `{"id":2,"b":"x"}`)}}}},
		{name: "schema/odd column names", runs: []run{lines(schema("a", id+`,"two words":{"type":"string"},"select":{"type":"string"},"q\"uote":{"type":"string"},"1st":{"type":"string"},"ünï-😀":{"type":"string"},"a:b.c":{"type":"string"}`, `"id"`),
			record("a", `{"id":1,"two words":"a","select":"b","q\"uote":"c","1st":"d","ünï-😀":"e","a:b.c":"f"}`))},
			want: one("a", Want{"id": Number("1"), "two words": Text("a"), "select": Text("b"), `q"uote`: Text("c"), "1st": Text("d"), "ünï-😀": Text("e"), "a:b.c": Text("f")})},
		{name: "schema/flattening", settings: map[string]any{"flattening_enabled": true, "flattening_max_depth": 5}, runs: []run{lines(
			schema("a", id+`,"o":{"type":"object","properties":{"x":{"type":"integer"},"p":{"type":"object","properties":{"y":{"type":"string"}}}}}`, `"id"`),
			record("a", `{"id":1,"o":{"x":2,"p":{"y":"z"}}}`))},
			want: one("a", Want{"id": Number("1"), "o__x": Number("2"), "o__p__y": Text("z")})},
	}
}

// versionCases are about rows that are no longer at the source.
func versionCases() []testCase {
	const old, now = 1674486431000, 1674486432 // milliseconds, then seconds
	first := lines(schema("a", id, `"id"`), versioned("a", `{"id":1}`, old), versioned("a", `{"id":2}`, old), activate("a", old))
	second := []string{schema("a", id, `"id"`), activate("a", now), versioned("a", `{"id":1}`, now), activate("a", now)}
	all := []testCase{
		{name: "versions/hard delete", settings: map[string]any{"hard_delete": true}, runs: []run{first, {lines: second}}, want: one("a", Want{"id": Number("1")})},
		{name: "versions/soft delete", settings: map[string]any{"add_record_metadata": true}, runs: []run{first, {lines: second}},
			want: one("a", Want{"id": Number("1"), "_sdc_deleted_at": Null}, Want{"id": Number("2"), "_sdc_deleted_at": Any})},
		{name: "versions/a run that breaks leaves the old rows", settings: map[string]any{"hard_delete": true, "batch_size_rows": 1}, runs: []run{first,
			{lines: second, environ: broken, fails: "did not finish"}}, want: one("a", Want{"id": Number("1")}, Want{"id": Number("2")})},
		{name: "versions/switched off", settings: map[string]any{"hard_delete": true, "activate_version": false}, runs: []run{first, {lines: second}},
			want: one("a", Want{"id": Number("1")}, Want{"id": Number("2")})},
		{name: "versions/deleted at the source, hard", settings: map[string]any{"hard_delete": true}, runs: []run{
			lines(schema("a", id+`,"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}`, `"id"`), record("a", `{"id":1}`), record("a", `{"id":2}`)),
			lines(schema("a", id+`,"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}`, `"id"`), record("a", `{"id":2,"_sdc_deleted_at":"2024-01-01T00:00:00Z"}`))},
			want: one("a", Want{"id": Number("1")})},
		{name: "versions/deleted at the source, soft", runs: []run{
			lines(schema("a", id+`,"n":{"type":["null","integer"]},"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}`, `"id"`), record("a", `{"id":1,"n":1}`), record("a", `{"id":2,"n":2}`)),
			lines(schema("a", id+`,"n":{"type":["null","integer"]},"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}`, `"id"`), record("a", `{"id":2,"_sdc_deleted_at":"2024-01-01T00:00:00Z"}`))},
			want: one("a", Want{"id": Number("1"), "_sdc_deleted_at": Null}, Want{"id": Number("2"), "n": Number("2"), "_sdc_deleted_at": Instant("2024-01-01T00:00:00Z")})},
	}
	for i := range all {
		all[i].merges = true
	}
	return all
}

// stateCases are about what is printed (invariant 2).
func stateCases() []testCase {
	a, row := schema("a", id, `"id"`), record("a", `{"id":1}`)
	out := func(name string, want []string, l ...string) testCase {
		return testCase{name: "state/" + name, runs: []run{{lines: l, out: want}}}
	}
	return []testCase{
		out("the last one", []string{`{"x":2}`}, a, row, state(`{"x":1}`), state(`{"x": 2}`)),
		out("state only", []string{`{"x":2}`}, state(`{"x":1}`), state(`{"x":2}`)),
		out("records after it", []string{`{"x":1}`}, a, row, state(`{"x":1}`), record("a", `{"id":2}`)),
		out("never empty", []string{`{"x":1}`}, a, row, state(`{"x":1}`), state(`{}`), state(`null`)),
		out("no state", []string{""}, a, row),
		out("numbers as they came", []string{`{"x":9007199254740993,"y":1.10}`}, a, row, state(`{"x":9007199254740993,"y":1.10}`)),
		{name: "state/none from a broken run", runs: []run{{lines: []string{a, row, state(`{"x":1}`)}, environ: broken, fails: "did not finish", out: []string{""}}}},
		{name: "state/the three lines of the SDK's test", merges: true, settings: map[string]any{"batch_size_rows": 3}, runs: []run{{
			lines: sdkMultipleStates(), out: []string{`{"a":1,"b":0}`, `{"a":3,"b":2}`, `{"a":5,"b":6}`}}}},
	}
}

// sdkMultipleStates has the order of the SDK's multiple_state_messages stream.
func sdkMultipleStates() []string {
	out := []string{schema("a", id, `"id"`), schema("b", id, `"id"`)}
	n := map[rune]int{}
	for _, c := range "aSabSabSaabSbbbSa" {
		if c == 'S' {
			out = append(out, state(fmt.Sprintf(`{"a":%d,"b":%d}`, n['a'], n['b'])))
			continue
		}
		n[c]++
		out = append(out, record(string(c), fmt.Sprintf(`{"id":%d}`, n[c])))
	}
	return out
}
