package singer

import (
	"bytes"
	"strings"
	"testing"

	"elt/internal/row"
)

// value reads one record with one property and returns the column, and the
// value as text; widening shows as further lines.
func readValue(t *testing.T, o ReaderOptions, property, value string) string {
	t.Helper()
	got := readLines(t, o, `{"type":"SCHEMA","stream":"s","key_properties":[],"schema":{"definitions":{"money":{"type":["null","string"],"format":"x-singer.decimal","precision":10,"scale":2},`+
		`"tree":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/definitions/tree"}},"self":{"$ref":"#/definitions/tree"}}}},"properties":{"v":`+property+`}}}`,
		`{"type":"RECORD","stream":"s","record":{"v":`+value+`}}`)
	text := strings.Join(got, " ; ")
	text = strings.ReplaceAll(text, "schema s(v ", "(")
	return strings.ReplaceAll(strings.ReplaceAll(text, ") key ", ")"), "s: ", "")
}

func TestEmptyStringsAreNoValuesOfOtherTypes(t *testing.T) {
	for _, c := range []struct{ property, value, want string }{
		{`{"type":["null","integer"]}`, `""`, `(int64) ; NULL`},
		{`{"type":"string","format":"date"}`, `""`, `(date) ; NULL`},
		{`{"type":"string"}`, `""`, `(text) ; `},
		{`{"type":["string","integer"]}`, `""`, `(json mixed) ; ""`},
		{`{"anyOf":[{"type":"string","format":"date"},{"type":"string"}]}`, `""`, `(date) ; (text) ; `},
		{`{"anyOf":[{"type":"string","enum":["",null]},{"type":"number"}]}`, `""`, `(numeric) ; NULL`},
		{`{"anyOf":[{"type":"string","enum":["","x"]},{"type":"number"}]}`, `""`, `(json mixed) ; ""`},
	} {
		got := readValue(t, ReaderOptions{BlankNull: true, Warn: func(string) {}}, c.property, c.value)
		if got != c.want {
			t.Errorf("%s in %s:\ngot  %s\nwant %s", c.value, c.property, got, c.want)
		}
	}
}

func TestValuesOfEverySchema(t *testing.T) {
	for _, c := range []struct{ property, value, want string }{
		// Types in any order, null anywhere.
		{`{"type":["null","string"]}`, `"a"`, `(text) ; a`},
		{`{"type":["string","null"]}`, `null`, `(text) ; NULL`},
		{`{"type":"integer"}`, `12`, `(int64) ; 12`},
		{`{"type":"integer"}`, `-9223372036854775808`, `(int64) ; -9223372036854775808`},
		{`{"type":"integer"}`, `1.0`, `(int64) ; 1`},
		{`{"type":"integer"}`, `1e3`, `(int64) ; 1000`},
		{`{"type":"integer"}`, `-0`, `(int64) ; 0`},
		{`{"type":"integer"}`, `"15"`, `(int64) ; 15`},
		{`{"type":"boolean"}`, `true`, `(bool) ; true`},
		{`{"type":["boolean","null"]}`, `0`, `(bool) ; false`},
		{`{"type":"boolean"}`, `1`, `(bool) ; true`},
		{`{"type":"boolean"}`, `"t"`, `(bool) ; true`},
		{`{"type":"boolean"}`, `"False"`, `(bool) ; false`},
		{`{"type":["null","object"]}`, `{"a" : [1, 2.50, "x y"], "b":{}}`, `(json) ; {"a":[1,2.50,"x y"],"b":{}}`},
		{`{"type":"array","items":{"type":"string"}}`, `[ ]`, `(json) ; []`},
		{`{"type":"array"}`, `"[1]"`, `(json) ; "[1]"`},
		{`{"type":"string"}`, `{"a": 1}`, `(text) ; {"a":1}`},
		{`{"type":"string"}`, `12.50`, `(text) ; 12.50`},
		{`{"type":"string"}`, `false`, `(text) ; false`},
		{`{"type":"string"}`, `""`, `(text) ; `},
		{`{"type":"string","maxLength":4294967295}`, `"a"`, `(text) ; a`},
		{`{"type":"string"}`, `"é\u00e9\ud83d\ude00\"\\\/\n"`, "(text) ; éé😀\"\\/\n"},
		// Several types.
		{`{"type":["string","integer"]}`, `1`, `(json mixed) ; 1`},
		{`{"type":["string","integer"]}`, `"1"`, `(json mixed) ; "1"`},
		{`{"type":["string","object","null"]}`, `{}`, `(json) ; {}`},
		{`{"type":["integer","number"]}`, `1.5`, `(numeric) ; 1.5`},
		{`{}`, `"x"`, `(json mixed) ; "x"`},
		{`{}`, `[1]`, `(json mixed) ; [1]`},
		{`{"description":"nothing"}`, `null`, `(json mixed) ; NULL`},
		{`true`, `1`, `(json mixed) ; 1`},
		{`{"type":"null"}`, `1`, `(json mixed) ; 1`},
		{`{"enum":["a","b",null]}`, `"a"`, `(text) ; a`},
		{`{"properties":{"a":{}}}`, `{"a":1}`, `(json) ; {"a":1}`},
		// Branches and references.
		{`{"anyOf":[{"type":"null"},{"type":"integer"}]}`, `3`, `(int64) ; 3`},
		{`{"anyOf":[{"type":"integer"},{"type":"string"}]}`, `"a"`, `(json mixed) ; "a"`},
		{`{"anyOf":[{"type":"array"},{"type":"string"}]}`, `"a"`, `(json) ; "a"`},
		{`{"oneOf":[{"type":"number","multipleOf":0.01},{"type":"null"}]}`, `1.25`, `(numeric) ; 1.25`},
		{`{"allOf":[{"type":["null","string"]},{"format":"date"}]}`, `"2024-02-29"`, `(date) ; 2024-02-29`},
		{`{"allOf":[{"$ref":"#/definitions/money"},{"description":"x"}]}`, `"1.20"`, `(numeric(10,2)) ; 1.20`},
		{`{"$ref":"#/definitions/money"}`, `"1.20"`, `(numeric(10,2)) ; 1.20`},
		{`{"anyOf":[{"$ref":"#/definitions/money"},{"type":"null"}]}`, `null`, `(numeric(10,2)) ; NULL`},
		{`{"$ref":"#/definitions/tree"}`, `{"kids":[{"kids":[]}]}`, `(json) ; {"kids":[{"kids":[]}]}`},
		{`{"$ref":"https://example.com/x.json"}`, `1`, `(json mixed) ; 1`},
		{`{"type":"array","items":{"$ref":"#/definitions/tree"}}`, `[{}]`, `(json) ; [{}]`},
		// Dates and times.
		{`{"type":"string","format":"date"}`, `"2024-02-29"`, `(date) ; 2024-02-29`},
		{`{"type":"string","format":"date"}`, `"2024-02-29T00:00:00Z"`, `(date) ; 2024-02-29`},
		{`{"type":"string","format":"date"}`, `"2024-02-29T10:00:00Z"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00+00:00`},
		{`{"type":"string","format":"time"}`, `"23:59:59.5"`, `(time) ; 23:59:59.500000`},
		{`{"type":"string","format":"time"}`, `"23:59:59+02:00"`, `(text) ; 23:59:59+02:00`},
		{`{"type":"string","format":"date-time"}`, `"2024-02-29T10:00:00.123456789+05:30"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00.123456789+05:30`},
		{`{"type":"string","format":"date-time"}`, `"2024-02-29 10:00:00"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00`},
		{`{"type":"string","format":"date-time"}`, `"2024-02-29T10:00:00+00:00+00:00"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00+00:00`},
		{`{"type":"string","format":"date-time"}`, `"0000-01-01T00:00:00Z"`, `(timestamptz/2147483649) ; 0001-01-01T00:00:00+00:00 BC`},
		{`{"type":"string","format":"date-time"}`, `"10000-01-01T00:00:00Z"`, `(timestamptz/2147483649) ; 10000-01-01T00:00:00+00:00`},
		{`{"type":"string","format":"date-time"}`, `1700000000`, `(text) ; 1700000000`},
		{`{"type":"string","format":"date-time"}`, `"yesterday"`, `(text) ; yesterday`},
		{`{"format":"date-time","anyOf":[{"type":"string"},{"type":"null"}]}`, `"2024-02-29T10:00:00Z"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00+00:00`},
		{`{"anyOf":[{"type":"string","format":"date-time"},{"type":["string","null"]}]}`, `"2024-02-29T10:00:00Z"`, `(timestamptz/2147483649) ; 2024-02-29T10:00:00+00:00`},
		{`{"anyOf":[{"type":["string","null"]},{"type":"string","format":"date-time"}]}`, `"soon"`, `(text) ; soon`},
		{`{"anyOf":[{"type":"string","format":"date"},{"type":"string","format":"date-time"}]}`, `"2024-02-29"`, `(timestamptz/2147483649) ; 2024-02-29T00:00:00`},
		{`{"anyOf":[{"type":"string","format":"date"},{"type":"string","format":"time"}]}`, `"10:00"`, `(text) ; 10:00`},
		{`{"type":["integer","null"],"format":"date-time"}`, `5`, `(int64) ; 5`},
		{`{"type":"string","format":"uuid"}`, `"00112233-4455-6677-8899-AABBCCDDEEFF"`, `(text) ; 00112233-4455-6677-8899-AABBCCDDEEFF`},
		// Decimals.
		{`{"type":"number"}`, `0.1000`, `(numeric) ; 0.1000`},
		{`{"type":"number"}`, `123456789012345678901234567890.123456789`, `(numeric) ; 123456789012345678901234567890.123456789`},
		{`{"type":"number"}`, `1.5E-3`, `(numeric) ; 0.0015`},
		{`{"type":"number"}`, `"12.50"`, `(numeric) ; 12.50`},
		{`{"type":"number"}`, `"007"`, `(text) ; 007`},
		{`{"type":"number"}`, `""`, `(text) ; `},
		{`{"type":"number"}`, `1e999999`, `(text) ; 1e999999`},
		{`{"type":"number","precision":10,"scale":2}`, `1.25`, `(numeric(10,2)) ; 1.25`},
		{`{"type":"number","precision":10,"scale":2}`, `1.2500`, `(numeric(10,2)) ; 1.2500`},
		{`{"type":"number","precision":4,"scale":2}`, `1.255`, `(numeric(5,3)) ; 1.255`},
		{`{"type":"number","precision":4,"scale":2}`, `12345`, `(numeric(7,2)) ; 12345`},
		{`{"type":["null","number"],"multipleOf":1e-10,"minimum":-100,"maximum":100,"exclusiveMinimum":true,"exclusiveMaximum":true}`, `99.5`, `(numeric(12,10)) ; 99.5`},
		{`{"type":["null","number"],"multipleOf":0.01,"exclusiveMinimum":-1000,"exclusiveMaximum":1000}`, `-999.99`, `(numeric(5,2)) ; -999.99`},
		{`{"type":["null","number"],"multipleOf":0.05}`, `0.15`, `(numeric) ; 0.15`},
		{`{"type":["null","string"],"format":"singer.decimal"}`, `"1234567890123456789012.1234567890"`, `(numeric) ; 1234567890123456789012.1234567890`},
		{`{"type":["null","string"],"format":"singer.decimal"}`, `"-.5"`, `(numeric) ; -0.5`},
		{`{"type":["null","string"],"format":"singer.decimal"}`, `"NaN"`, `(numeric) ; NaN`},
		{`{"type":["null","string"],"format":"singer.decimal"}`, `7`, `(numeric) ; 7`},
		{`{"type":["null","string"],"format":"x-singer.decimal","precision":5,"scale":1}`, `"1234.5"`, `(numeric(5,1)) ; 1234.5`},
		{`{"type":["null","string"],"format":"singer.decimal","additionalProperties":{"scale_precision":"(38,10)"}}`, `"1.5"`, `(numeric(38,10)) ; 1.5`},
		{`{"type":["null","string"],"additionalProperties":{"scale_precision":"(38, 10)"}}`, `"1.5"`, `(numeric(38,10)) ; 1.5`},
		{`{"type":["null","number","string"],"format":"singer.decimal"}`, `"1.5"`, `(numeric) ; 1.5`},
		// Integers beyond 64 bits, and values of the wrong type.
		{`{"type":"integer"}`, `9223372036854775808`, `(numeric) ; 9223372036854775808`},
		{`{"type":"integer","minimum":0,"maximum":18446744073709551615}`, `18446744073709551615`, `(numeric(20,0)) ; 18446744073709551615`},
		{`{"type":"integer"}`, `1.5`, `(numeric) ; 1.5`},
		{`{"type":"integer"}`, `"abc"`, `(text) ; abc`},
		{`{"type":"integer"}`, `true`, `(text) ; true`},
		{`{"type":"integer"}`, `[1, 2]`, `(json) ; [1,2]`},
		{`{"type":"boolean"}`, `2`, `(text) ; 2`},
		{`{"type":"boolean"}`, `"maybe"`, `(text) ; maybe`},
		// What is not JSON.
		{`{"type":"number"}`, `NaN`, `(numeric) ; NULL`},
		{`{"type":"number"}`, `-Infinity`, `(numeric) ; NULL`},
		{`{"type":"object"}`, `{"a":NaN}`, `(json) ; {"a":null}`},
		{`{"type":"string"}`, `"a\u0000b"`, "(text) ; a\ufffdb"},
		{`{"type":"object"}`, `{"a":["x\u0000\u0000"]}`, `(json) ; {"a":["x\ufffd\ufffd"]}`},
		{`{"type":"string"}`, "\"a\xffb\"", "(text) ; a\ufffdb"},
		{`{"type":"object"}`, "{\"a\":\"\xff\"}", "(json) ; {\"a\":\"\ufffd\"}"},
		{`{"type":"string"}`, `"\ud800x"`, "(text) ; \ufffdx"},
		{`{"type":"object"}`, `{"a":"\ud800\ud83d\ude00\udc00"}`, `(json) ; {"a":"\ufffd\ud83d\ude00\ufffd"}`},
		// Our own connectors.
		{`{"type":["null","string"],"x-elt-kind":"uuid"}`, `"00112233-4455-6677-8899-aabbccddeeff"`, `(uuid) ; 00112233-4455-6677-8899-aabbccddeeff`},
		{`{"type":["null","integer"],"x-elt-kind":"int64","x-elt-wire":23}`, `2147483647`, `(int64/23) ; 2147483647`},
		{`{"type":["null","integer"],"x-elt-kind":"int64","x-elt-wire":21}`, `32768`, `(int64) ; 32768`},
		{`{"type":["null","number"],"x-elt-kind":"float64"}`, `"-Infinity"`, `(float64) ; -Infinity`},
		{`{"type":["null","number"],"x-elt-kind":"float64","x-elt-wire":700}`, `0.1`, `(float64/700) ; 0.1`},
		{`{"type":["null","number"],"x-elt-kind":"numeric","x-elt-precision":30,"x-elt-scale":2}`, `"NaN"`, `(numeric(30,2)) ; NaN`},
		{`{"type":["null","string"],"contentEncoding":"base64","x-elt-kind":"bytes"}`, `"AP8="`, `(bytes) ; \x00ff`},
		{`{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamp"}`, `"2024-02-29T01:02:03"`, `(timestamp) ; 2024-02-29T01:02:03`},
		{`{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamp"}`, `"2024-02-29T01:02:03+00:00"`, `(timestamp) ; 2024-02-29T01:02:03`},
		{`{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamp"}`, `"2024-02-29T01:02:03+02:00"`, `(timestamptz/2147483649) ; 2024-02-29T01:02:03+02:00`},
		{`{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamptz"}`, `"infinity"`, `(timestamptz) ; infinity`},
		{`{"type":["null","string"],"format":"date-time","x-elt-kind":"timestamptz"}`, `"2024-02-29T01:02:03.000000001Z"`, `(timestamptz/2147483649) ; 2024-02-29T01:02:03.000000001+00:00`},
		{`{"type":["null","string"],"x-elt-kind":"date"}`, `"0044-03-15 BC"`, `(date) ; 0044-03-15 BC`},
		{`{"type":["null","object"],"x-elt-kind":"json","x-elt-wire":3802}`, `{"a":1.10}`, `(json/3802) ; {"a":1.10}`},
		{`{"type":"integer","x-elt-kind":"int64"}`, `1`, `(int64 not null) ; 1`},
		{`{"type":"integer","x-elt-kind":"int64"}`, `null`, `(int64) ; NULL`},
		{`{"type":"string","x-elt-kind":"nonsense","x-elt-wire":23}`, `"a"`, `(text) ; a`},
		{`{"type":"string","x-elt-kind":"text","x-elt-wire":23}`, `"a"`, `(text not null) ; a`},
	} {
		// What was announced first is left out when a value widened it.
		got := readValue(t, ReaderOptions{Warn: func(string) {}}, c.property, c.value)
		if parts := strings.Split(got, " ; "); len(parts) == 3 && strings.HasPrefix(parts[0], "(") {
			got = parts[1] + " ; " + parts[2]
		}
		if got != c.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.property, c.value, got, c.want)
		}
	}
}

func TestWideningStays(t *testing.T) {
	schema := `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"n":{"type":"integer"},"d":{"format":"date-time","type":"string"}}},"key_properties":["id"]}`
	row := func(values string) string { return `{"type":"RECORD","stream":"s","record":{` + values + `}}` }
	got := readLines(t, ReaderOptions{},
		schema, row(`"id":1,"n":1,"d":"2024-01-01T00:00:00Z"`), row(`"id":2,"n":99999999999999999999,"d":"soon"`), row(`"id":3,"n":3,"d":null`),
		schema, row(`"id":4,"n":4`),
		strings.Replace(schema, `"n":{"type":"integer"}`, `"n":{"type":"integer"},"x":{"type":"string"}`, 1), row(`"id":5,"n":5,"x":"y"`))
	same(t, got,
		"schema s(id int64 not null, n int64, d timestamptz/2147483649) key id",
		"s: 1|1|2024-01-01T00:00:00+00:00",
		"schema s(id int64 not null, n numeric, d text) key id",
		`warning: stream "s": property "n" becomes numeric from line 3 on, where a value does not fit its schema`,
		`warning: stream "s": property "d" becomes text from line 3 on, where a value does not fit its schema`,
		"s: 2|99999999999999999999|soon",
		"s: 3|3|NULL",
		"s: 4|4|NULL",
		"schema s(id int64 not null, n numeric, x text, d text) key id",
		"s: 5|5|y|NULL")
}

func TestColumnsThatAreNotNullInOurOwnSchemas(t *testing.T) {
	schema := `{"type":"SCHEMA","stream":"s","schema":{"properties":{"a":{"type":"integer","x-elt-kind":"int64"},"b":{"type":"integer","x-elt-kind":"int64"}}}}`
	same(t, readLines(t, ReaderOptions{Warn: func(string) {}}, schema, recordOf(`"b":2,"a":1`), recordOf(`"b":4`)),
		"schema s(a int64 not null, b int64 not null) key ", "s: 1|2", "schema s(a int64, b int64 not null) key ", "s: NULL|4")
}

func TestBadRecords(t *testing.T) {
	schema := `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":["integer","string","boolean"]},"o":{"type":"object"},"v":{"type":"string"}}},"key_properties":["id"]}`
	for record, want := range map[string]string{
		`{"type":"RECORD","stream":"s","record":{"v":"x"}}`:                      `line 2, stream "s": key property "id" is missing`,
		`{"type":"RECORD","stream":"s","record":{"id":null}}`:                    `line 2, stream "s": key property "id" is null`,
		`{"type":"RECORD","stream":"s","record":{"id":1,"o":{"a":1,"a":2}}}`:     `line 2, stream "s": property "o": an object in it has the same key twice`,
		`{"type":"RECORD","stream":"s","record":{"id":1,"id":2}}`:                `line 2, stream "s": property "id" comes twice`,
		`{"type":"RECORD","stream":"s","record":{"id":1,"o":{"a":secret}}}`:      `line 2, stream "s" is no JSON (a value is missing at byte 57): {"type":"******","stream":"*","record":{"id":*,"o":{"a":******}}}`,
		`{"type":"RECORD","stream":"s","record":{"id":1 "v":"secret"}}`:          `line 2, stream "s" is no JSON (a comma or brace is missing at byte 48): {"type":"******","stream":"*","record":{"id":* "v":"******"}}`,
		`{"type":"RECORD","stream":"s","record":{"id":1,"v":"sec` + "\t" + `"}}`: `line 2, stream "s" is no JSON (a string does not end or holds a control character at byte 52): {"type":"******","stream":"*","record":{"id":*,"v":"****"}}`,
		`{"type":"RECORD","stream":"t","record":{"id":1}}`:                       `line 2, stream "t": a RECORD before the stream's SCHEMA`,
		`{"type":"RECORD","stream":"s","record":[1]}`:                            `line 2, stream "s": the record is no JSON object`,
		`{"type":"RECORD","stream":"s"}`:                                         `line 2, stream "s": a RECORD without a record`,
		`{"type":"RECORD","record":{}}`:                                          `line 2: a RECORD without a stream`,
		`INFO starting`:                                                          `line 2 is no Singer message: INFO starting`,
		`{'id': 1, 'name': 'secret'}`:                                            `line 2 is no Singer message: {'**': *, '****': '******'}`,
		`{"level":"info"}`:                                                       `line 2 is no Singer message: {"level":"****"}`,
		`[1]`:                                                                    `line 2 is no Singer message: [*]`,
		`{"type":"SCHEMA","stream":"t","schema":{"type":"object"}}`:              `line 2, stream "t": its schema has no "properties"`,
		`{"type":"SCHEMA","stream":"t"}`:                                         `line 2, stream "t": a SCHEMA without a schema`,
		`{"type":"STATE"}`:                                                       `line 2: a STATE without a value`,
		`{"type":"ACTIVATE_VERSION","stream":"s"}`:                               `line 2, stream "s": an ACTIVATE_VERSION without a version`,
		`{"type":"RECORD","stream":"s","record":{"id":1},"version":"a"}`:         `line 2, stream "s": its version is no integer`,
		`{"type":"RECORD","stream":"s","record":{"id":1},"stream":"s"}`:          `line 2, stream "s" is no JSON (the stream is no string, or comes twice at byte 58): {"type":"******","stream":"*","record":{"id":*},"stream":"*"}`,
	} {
		got := readLines(t, ReaderOptions{}, schema, record)
		if last := got[len(got)-1]; last != "error: "+want {
			t.Errorf("%s\ngot  %s\nwant error: %s", record, last, want)
		}
	}
}

// Decimals at the edge of their columns, also at the very end of a line.
func TestDecimalsThatBarelyFit(t *testing.T) {
	const schema = `{"type":"SCHEMA","stream":"s","key_properties":[],"schema":{"properties":{"n":{"type":["null","number"],"x-elt-kind":"numeric","x-elt-precision":4,"x-elt-scale":2}}}}`
	for text, want := range map[string]int{ // the scale of the column afterwards
		"99.99": 2, "-99.99": 2, "0": 2, "-0.00": 2, "0.5": 2, "1.500": 2, "100": 2, "99.999": 3, "12345678901234567.1": 2, "1e1": 2, "0.000000001": 9,
	} {
		k := &keepBatches{}
		_, err := NewReader(strings.NewReader(schema+"\n"+`{"type":"RECORD","stream":"s","record":{"n":`+text+"}}"), ReaderOptions{}).Run(t.Context(), k)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		field, _ := row.AppendNumeric(nil, []byte(text))
		if len(k.data) < 6 || !bytes.Equal(k.data[6:], field) || k.schema.Columns[0].Scale != want {
			t.Errorf("%s became %x in numeric(%d,%d), want %x and a scale of %d", text, k.data, k.schema.Columns[0].Precision, k.schema.Columns[0].Scale, field, want)
		}
	}
}
