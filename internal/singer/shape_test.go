package singer

import (
	"encoding/json"
	"testing"

	"elt/internal/row"
)

func TestShapeOf(t *testing.T) {
	for name, c := range map[string]struct{ message, want string }{
		"a foreign tap": {`{"type":"SCHEMA","stream":"s","key_properties":["id"],"bookmark_properties":["at"],"schema":{"type":"object","properties":{
"name":{"type":["null","string"]},"id":{"type":"integer"},"at":{"type":["string","null"],"format":"date-time"},"_sdc_batched_at":{"type":"string"},
"u":{"anyOf":[{"type":"string","format":"date-time"},{"type":["integer","null"]},{"type":"null"}]},"x":{},"list":{"type":"array","items":{}}}}}`,
			`{"columns":[{"name":"at","type":"string date-time","nullable":true},{"name":"id","type":"integer"},{"name":"list","type":"array"},` +
				`{"name":"name","type":"string","nullable":true},{"name":"u","type":"integer|string date-time","nullable":true},{"name":"x","type":"any","nullable":true}],` +
				`"key":["id"],"replication_key":"at"}`},
		"the same in another order": {`{"stream":"s","key_properties":["id"],"schema":{"properties":{"b":{"type":["string","null"]},"a":{"type":["null","string"]}}}}`,
			`{"columns":[{"name":"a","type":"string","nullable":true},{"name":"b","type":"string","nullable":true}],"key":["id"]}`},
		"no properties": {`{"stream":"s","schema":{},"key_properties":null}`, `{"columns":[],"key":[]}`},
		"odd ones":      {`{"stream":"s","schema":{"properties":{"a":true,"b":{"type":7}}},"key_properties":[]}`, `{"columns":[{"name":"a","type":"any","nullable":true},{"name":"b","type":"any","nullable":true}],"key":[]}`},
	} {
		stream, shape, err := ShapeOf([]byte(c.message))
		got, _ := json.Marshal(shape)
		if err != nil || stream != "s" || string(got) != c.want {
			t.Errorf("%s: %s %v\n got %s\nwant %s", name, stream, err, got, c.want)
		}
	}
	if _, _, err := ShapeOf([]byte(`{"stream":"s","schema":[]}`)); err == nil {
		t.Error("no schema, and no error")
	}
}

func TestShapeOfOurOwn(t *testing.T) {
	m, err := PrintSchema(&row.Schema{Stream: "s", Key: []string{"id"}, Columns: []row.Column{
		{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "price", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 12, Scale: 2, Nullable: true},
		{Name: "code", Kind: row.Text, Wire: row.WireText, Precision: 3}, {Name: "doc", Kind: row.JSON, Wire: row.WireJSON, Nullable: true}}})
	if err != nil {
		t.Fatal(err)
	}
	_, shape, err := ShapeOf(m)
	got, _ := json.Marshal(shape.Columns)
	if want := `[{"name":"code","type":"text(3)"},{"name":"doc","type":"json","nullable":true},{"name":"id","type":"int64"},{"name":"price","type":"numeric(12,2)","nullable":true}]`; err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}
