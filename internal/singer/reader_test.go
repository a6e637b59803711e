package singer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"elt/internal/row"
)

// tape is a Handler that writes down what it is told, as text: schemas as
// "name kind", rows as their fields in canonical text.
type tape struct {
	lines   []string
	batches bool // write down where batches begin
	ticks   int
	fail    error
}

func (p *tape) add(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *tape) Schema(_ context.Context, s *row.Schema) error {
	var cols []string
	for _, c := range s.Columns {
		cols = append(cols, describeColumn(c))
	}
	p.add("schema %s(%s) key %s", s.Stream, strings.Join(cols, ", "), strings.Join(s.Key, ","))
	return p.fail
}

func describeColumn(c row.Column) string {
	text := c.Name + " " + c.Kind.String()
	if c.Wire != c.Kind.DefaultWire() {
		text += fmt.Sprintf("/%d", c.Wire)
	}
	if c.Precision > 0 {
		text += fmt.Sprintf("(%d,%d)", c.Precision, c.Scale)
	}
	if c.Mixed {
		text += " mixed"
	}
	if !c.Nullable {
		text += " not null"
	}
	return text
}

func (p *tape) Write(_ context.Context, b *row.Batch) error {
	defer b.Release()
	if p.batches {
		p.add("batch v%d", b.Version)
	}
	for i := range b.Len() {
		p.add("%s", rowText(b, i))
	}
	return p.fail
}

func rowText(b *row.Batch, i int) string {
	var out []string
	fields := b.Fields(i)
	for n := range b.Schema.Columns {
		field, state := fields.Next()
		switch state {
		case row.IsNull:
			out = append(out, "NULL")
		case row.IsUnset:
			out = append(out, "-")
		default:
			out = append(out, string(row.AppendText(nil, &b.Schema.Columns[n], field)))
		}
	}
	text := strings.Join(out, "|")
	if op := b.Op(i); op != row.Insert {
		text += map[row.Op]string{row.Update: " update", row.Delete: " delete"}[op]
	}
	if b.Extracted != nil {
		text += " at " + string(row.AppendTimestampText(nil, b.Extracted[i], true))
	}
	return b.Schema.Stream + ": " + text
}

func (p *tape) State(_ context.Context, value json.RawMessage) error {
	p.add("state %s", value)
	return p.fail
}

func (p *tape) Activate(_ context.Context, stream string, version int64) error {
	p.add("activate %s %d", stream, version)
	return p.fail
}

func (p *tape) Tick(context.Context) error {
	p.ticks++
	return nil
}

// read runs a Reader over input and returns what its handler was told,
// warnings included, and how it ended. It never ticks: on a busy machine that
// would hand over some rows earlier, before those of another stream.
func read(t testing.TB, o ReaderOptions, input io.Reader) ([]string, End, error) {
	t.Helper()
	p := &tape{}
	if o.Warn == nil {
		o.Warn = func(text string) { p.add("warning: %s", text) }
	}
	r := NewReader(input, o)
	r.every = time.Hour
	end, err := r.Run(context.Background(), p)
	return p.lines, end, err
}

func readLines(t testing.TB, o ReaderOptions, lines ...string) []string {
	t.Helper()
	got, _, err := read(t, o, strings.NewReader(strings.Join(lines, "\n")+"\n"))
	if err != nil {
		got = append(got, "error: "+err.Error())
	}
	return got
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n  %s\nwant\n  %s", strings.ReplaceAll(g, "\n", "\n  "), strings.ReplaceAll(w, "\n", "\n  "))
	}
}

func TestReaderHandsOverInOrder(t *testing.T) {
	got, end, err := read(t, ReaderOptions{}, strings.NewReader(`{"type": "SCHEMA", "stream": "a", "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "x": {"type": ["null", "string"]}}}, "key_properties": ["id"], "bookmark_properties": ["x"]}
{"type": "RECORD", "stream": "a", "record": {"id": 1, "x": "one"}, "time_extracted": "2024-01-02T03:04:05Z"}
{"type": "RECORD", "stream": "a", "record": {"id": 2, "x": null}, "time_extracted": "2024-01-02T03:04:05Z"}

{"type": "state", "value": {"bookmarks": {"a": 2}}}
{"stream": "b", "type": "schema", "schema": {"properties": {"n": {"type": "number"}}}}
{"record": {"n": 1.50}, "stream": "b", "type": "RECORD"}
{"type": "RECORD", "stream": "a", "record": {"x": "three", "id": 3}, "version": 7}
{"type": "ACTIVATE_VERSION", "stream": "a", "version": 7}
{"type": "STATE", "value": {"bookmarks": {"a": 3}}}
{"type":"ELT_END"}
`))
	if err != nil || !end.Said || end.Lines != 11 {
		t.Errorf("end %+v, %v", end, err)
	}
	same(t, got,
		"schema a(id int64 not null, x text) key id",
		"a: 1|one at 2024-01-02T03:04:05+00:00",
		"a: 2|NULL at 2024-01-02T03:04:05+00:00",
		`state {"bookmarks": {"a": 2}}`,
		"schema b(n numeric) key ",
		"a: 3|three",
		"activate a 7",
		"b: 1.50",
		`state {"bookmarks": {"a": 3}}`)
}

const keyedSchema = `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"v":{"type":["null","string"]}}},"key_properties":["id"]}`

func recordOf(members string) string {
	return `{"type":"RECORD","stream":"s","record":{` + members + `}}`
}

func TestSchemaSentAgain(t *testing.T) {
	got := readLines(t, ReaderOptions{}, keyedSchema, recordOf(`"id":1`), keyedSchema, recordOf(`"id":2`),
		strings.Replace(keyedSchema, `"string"]`, `"string"],"description":"new"`, 1), recordOf(`"id":3`),
		strings.Replace(keyedSchema, `"key_properties":["id"]`, `"key_properties":["id","v"]`, 1), recordOf(`"id":4,"v":""`),
		strings.Replace(keyedSchema, `,"key_properties":["id"]`, ``, 1), recordOf(`"id":5`))
	same(t, got,
		"schema s(id int64 not null, v text) key id", "s: 1|NULL", "s: 2|NULL", "s: 3|NULL",
		"schema s(id int64 not null, v text not null) key id,v", "s: 4|",
		"schema s(id int64, v text) key ", "s: 5|NULL")
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ schema, record, want string }{
		// Wrongly inside the schema: no key.
		{`{"properties":{"id":{"type":"integer"}},"key_properties":["id"]}`, `"id":null`, "schema s(id int64) key \ns: NULL"},
		{`{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]`, `"id":0`, "schema s(id int64 not null) key id\ns: 0"},
		{`{"properties":{"id":{"type":"boolean"}}},"key_properties":["id"]`, `"id":false`, "schema s(id bool not null) key id\ns: false"},
		{`{"properties":{"id":{"type":["null","string"]}}},"key_properties":["id"]`, `"id":""`, "schema s(id text not null) key id\ns: "},
		{`{"properties":{"id":{"type":"array"}}},"key_properties":["id"]`, `"id":[1, {"a": 2}]`, "schema s(id text not null) key id\ns: [1,{\"a\":2}]"},
		{`{"properties":{"id":{"type":["integer","string"]}}},"key_properties":["id"]`, `"id":"1"`, "schema s(id json mixed not null) key id\ns: \"1\""},
		// A key that is no property is one all the same.
		{`{"properties":{"x":{"type":"integer"}}},"key_properties":["id"]`, `"id":1,"x":2`, "schema s(x int64, id json mixed not null) key id\ns: 2|1"},
		{`{"properties":{"x":{"type":"integer"}}},"key_properties":["id"]`, `"x":2`, "schema s(x int64, id json mixed not null) key id\nerror: line 2, stream \"s\": key property \"id\" is missing"},
	} {
		got := readLines(t, ReaderOptions{}, `{"type":"SCHEMA","stream":"s","schema":`+c.schema+`}`, recordOf(c.record))
		same(t, got, strings.Split(c.want, "\n")...)
	}
}

func TestOddLines(t *testing.T) {
	got := readLines(t, ReaderOptions{}, "\ufeff"+keyedSchema, "", " \r", `{"type":"LOG","text":"x"}`, `{"type":"LOG","text":"y"}`,
		`  { "stream" : "s" , "type" : "record", "record" : { "v" : "a" , "id" : 1 } , "more" : {} }  `+"\r",
		`{"record":{"id":2,"\u0076":"b"},"type":"RECORD","stream":"s","time_extracted":"nonsense"}`,
		`{"type":"RECORD","stream":"s","record":{"id":3},"version":null,"time_extracted":null}`)
	same(t, got, "schema s(id int64 not null, v text) key id",
		`warning: line 4: messages of type "LOG" are skipped`,
		`warning: line 7, stream "s": time_extracted is no date and time: ignored`,
		"s: 1|a", "s: 2|b", "s: 3|NULL")
}

func TestFieldsOutsideTheSchema(t *testing.T) {
	got := readLines(t, ReaderOptions{}, keyedSchema, recordOf(`"id":1,"x":{"y":[1]},"v":"a"`), recordOf(`"x":2,"id":2,"v":"b"`), recordOf(`"v":"c","id":3,"z":0`), recordOf(`"id":4,"v":"d"`))
	same(t, got, "schema s(id int64 not null, v text) key id",
		`warning: stream "s": property "x" is not in its schema: dropped (first in line 2)`,
		`warning: stream "s": property "z" is not in its schema: dropped (first in line 4)`,
		"s: 1|a", "s: 2|b", "s: 3|c", "s: 4|d")
}

func TestRepairsAreToldOnce(t *testing.T) {
	got := readLines(t, ReaderOptions{}, keyedSchema, recordOf("\"id\":1,\"v\":\"\xff\""), recordOf(`"id":2,"v":"\udc00\u0000"`), recordOf(`"id":3,"v":"\u0000"`), recordOf(`"id":4,"v":NaN`))
	same(t, got, "schema s(id int64 not null, v text) key id",
		`warning: stream "s": property "v" has text that is no UTF-8 or half a surrogate pair: replaced by U+FFFD (first in line 2)`,
		`warning: stream "s": property "v" has NUL characters: replaced by U+FFFD (first in line 3)`,
		`warning: stream "s": property "v" has NaN or infinities, which JSON has not: read as NULL (first in line 5)`,
		"s: 1|\ufffd", "s: 2|\ufffd\ufffd", "s: 3|\ufffd", "s: 4|NULL")
}

func TestNULPolicies(t *testing.T) {
	schema := strings.Replace(keyedSchema, `"v":{"type":["null","string"]}`, `"v":{"type":["null","string"]},"j":{"type":"object"}`, 1)
	lines := []string{schema, recordOf(`"id":1,"v":"a\u0000","j":{"k":"\u0000"}`)}
	same(t, readLines(t, ReaderOptions{NUL: NULKeep}, lines...), "schema s(id int64 not null, v text, j json) key id", "s: 1|a\x00|{\"k\":\"\\u0000\"}")
	same(t, readLines(t, ReaderOptions{NUL: NULFail}, lines...), "schema s(id int64 not null, v text, j json) key id", `error: line 2, stream "s": property "v" holds a NUL character`)
	same(t, readLines(t, ReaderOptions{NUL: NULFail}, schema, recordOf(`"id":1,"j":{"k":"\u0000"}`)),
		"schema s(id int64 not null, v text, j json) key id", `error: line 2, stream "s": property "j": holds a NUL character`)
}

func TestAbsentProperties(t *testing.T) {
	same(t, readLines(t, ReaderOptions{KeepAbsent: true}, keyedSchema, recordOf(`"id":1`), recordOf(`"v":"x","id":2`), recordOf(`"id":3,"v":null`)),
		"schema s(id int64 not null, v text) key id", "s: 1|- update", "s: 2|x", "s: 3|NULL")
	// Our own writer says of a stream that what is absent was not sent.
	same(t, readLines(t, ReaderOptions{}, strings.Replace(keyedSchema, `"schema":{`, `"schema":{"x-elt-absent":"unset",`, 1), recordOf(`"id":1`)),
		"schema s(id int64 not null, v text) key id", "s: 1|- update")
}

func TestDeletes(t *testing.T) {
	deleted := `,"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}`
	same(t, readLines(t, ReaderOptions{}, strings.Replace(keyedSchema, `"string"]}`, `"string"]}`+deleted, 1),
		recordOf(`"id":1,"_sdc_deleted_at":"2024-01-01T00:00:00Z"`), recordOf(`"id":2,"_sdc_deleted_at":null`), recordOf(`"_sdc_deleted_at":"2024-01-01T00:00:00Z","id":3`)),
		"schema s(id int64 not null, v text, _sdc_deleted_at timestamptz/2147483649) key id",
		"s: 1|NULL|2024-01-01T00:00:00+00:00 delete", "s: 2|NULL|NULL", "s: 3|NULL|2024-01-01T00:00:00+00:00 delete")
	// A marker that the schema does not have is no field to be dropped.
	same(t, readLines(t, ReaderOptions{}, keyedSchema, recordOf(`"id":1,"_sdc_deleted_at":null`), recordOf(`"id":2,"_sdc_deleted_at":"2024-01-01T00:00:00Z"`), keyedSchema+" ", recordOf(`"id":3`)),
		"schema s(id int64 not null, v text) key id", "s: 1|NULL",
		"schema s(id int64 not null, v text, _sdc_deleted_at timestamptz/2147483649) key id",
		`warning: stream "s": property "_sdc_deleted_at" becomes timestamptz from line 3 on, where a value does not fit its schema`,
		"s: 2|NULL|2024-01-01T00:00:00+00:00 delete", "s: 3|NULL|NULL")
}

func TestVersionsAndTimesPartBatches(t *testing.T) {
	p := &tape{batches: true}
	line := func(id int, rest string) string {
		return fmt.Sprintf(`{"type":"RECORD","stream":"s","record":{"id":%d}%s}`, id, rest)
	}
	_, err := NewReader(strings.NewReader(strings.Join([]string{keyedSchema, line(1, ""), line(2, `,"version":7`), line(3, `,"version":7`),
		line(4, `,"version":8,"time_extracted":"2024-01-01T00:00:00.5Z"`), line(5, `,"version":8,"time_extracted":"2024-01-01T00:00:00+01:00"`), line(6, `,"version":8`)}, "\n")), ReaderOptions{}).
		Run(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	same(t, p.lines, "schema s(id int64 not null, v text) key id", "batch v0", "s: 1|NULL", "batch v7", "s: 2|NULL", "s: 3|NULL",
		"batch v8", "s: 4|NULL at 2024-01-01T00:00:00.500000+00:00", "s: 5|NULL at 2023-12-31T23:00:00+00:00", "batch v8", "s: 6|NULL")
}

func TestBadRecordsCanBeSetAside(t *testing.T) {
	var aside []string
	o := ReaderOptions{OnBad: func(b BadRecord) error {
		aside = append(aside, fmt.Sprintf("%s %d %s", b.Stream, b.Line, b.Err))
		return nil
	}}
	got := readLines(t, o, keyedSchema, recordOf(`"id":1`), recordOf(`"id":null`), recordOf(`"id":x`), `{"type":"RECORD","stream":"s","record":{"id":3}`, recordOf(`"id":99999999999999999999,"id":2`), recordOf(`"id":4`), `nonsense`)
	same(t, got, "schema s(id int64 not null, v text) key id", "error: line 8 is no Singer message: nonsense")
	same(t, aside, `s 3 line 3, stream "s": key property "id" is null`,
		`s 4 line 4, stream "s" is no JSON (a value is missing at byte 46): {"type":"******","stream":"*","record":{"id":*}}`,
		`s 5 line 5, stream "s" is no JSON (a comma or brace is missing at byte 48): {"type":"******","stream":"*","record":{"id":*}`,
		`s 6 line 6, stream "s": property "id" comes twice`)
}

func TestTheLastLine(t *testing.T) {
	first := keyedSchema + "\n"
	for _, c := range []struct {
		input, want string
		said        bool
	}{
		{keyedSchema, "", false},
		{first + recordOf(`"id":1`), "", false},
		{first + recordOf(`"id":1`)[:9], `line 2 is cut off: the input ended in it: {"type":"`, false},
		{first + recordOf(`"id":1`)[:47], `line 2, stream "s" is cut off: the input ended in it: {"type":"******","stream":"*","record":{"id":*}`, false},
		{EndLine, "", true},
		{first + EndLine + "\n\n", "", true},
		{EndLine + "\n" + keyedSchema, `line 2: a line after ELT_END`, true},
	} {
		// A record that was cut off is not set aside.
		o := ReaderOptions{OnBad: func(BadRecord) error { return nil }}
		_, end, err := read(t, o, strings.NewReader(c.input))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want || end.Said != c.said {
			t.Errorf("%q\ngot  %s, %+v\nwant %s", c.input, got, end, c.want)
		}
	}
}

func TestStrictValidation(t *testing.T) {
	o := ReaderOptions{Validate: true}
	schema := `{"type":"SCHEMA","stream":"s","schema":{"required":["v"],"properties":{"id":{"type":"integer"},"v":{"type":"number","multipleOf":1e-38,"minimum":-10,"exclusiveMinimum":true}}}}`
	same(t, readLines(t, o, schema, recordOf(`"id":1,"v":0.00000000000000000000000000000000000001`), recordOf(`"id":2`)),
		"schema s(id int64, v numeric) key ",
		`error: line 3, stream "s": the record does not match its schema: missing ["v"]`)
	same(t, readLines(t, o, schema, recordOf(`"id":"x","v":1`)),
		"schema s(id int64, v numeric) key ",
		`error: line 2, stream "s": the record does not match its schema: type of /properties/id`)
}

func TestBase16(t *testing.T) {
	schema := strings.Replace(keyedSchema, `["null","string"]`, `["null","string"],"contentEncoding":"base16"`, 1)
	lines := []string{schema, recordOf(`"id":1,"v":"0xAfF"`), recordOf(`"id":2,"v":"00ff"`), recordOf(`"id":3,"v":"xyz"`)}
	same(t, readLines(t, ReaderOptions{Base16: true, Warn: func(string) {}}, lines...), "schema s(id int64 not null, v bytes) key id", `s: 1|\x0aff`, `s: 2|\x00ff`,
		"schema s(id int64 not null, v text) key id", "s: 3|xyz")
	same(t, readLines(t, ReaderOptions{}, lines[:2]...), "schema s(id int64 not null, v text) key id", "s: 1|0xAfF")
}
