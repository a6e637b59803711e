package singer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGlobIsFnmatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a.b", true}, {"a*c", "abbc", true}, {"a*c", "abb", false},
		{"a*b*c", "axbxbxc", true}, {"?", "é", true}, {"?", "", false}, {"a?", "a", false}, {"[ab]x", "bx", true}, {"[!ab]x", "bx", false},
		{"[!ab]x", "cx", true}, {"[a-c]", "b", true}, {"[a-c]", "d", false}, {"[]]", "]", true}, {"[!]]", "]", false}, {"[", "[", true},
		{"[a", "[a", true}, {"[-a]", "-", true}, {"A", "a", false}, {"**", "x", true}, {`a\*`, `a\b`, true}, {"*é", "caffé", true}, {"é*", "e", false},
	} {
		if got := glob(c.pattern, c.name); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

const twoStreams = `{"streams":[
 {"tap_stream_id":"users","stream":"users","schema":{"properties":{"id":{},"name":{},"address":{"properties":{"city":{},"geo":{"properties":{"lat":{}}}}},"secret":{}}},
  "metadata":[{"breadcrumb":[],"metadata":{"inclusion":"available"}},{"breadcrumb":["properties","id"],"metadata":{"inclusion":"automatic"}},
   {"breadcrumb":["properties","secret"],"metadata":{"inclusion":"unsupported"}}]},
 {"tap_stream_id":"crm.orders","stream":"orders","schema":{"properties":{"total":{"type":"number"}}}}]}`

// chosen is the selected property paths, dotted, "!" before a deselected stream.
func chosen(c *Catalog) string {
	var out []string
	for _, s := range c.Streams {
		if s.Meta()["selected"] != true {
			out = append(out, "!"+s.ID())
			continue
		}
		for _, m := range s.Metadata {
			if m.Metadata["selected"] == true && len(m.Breadcrumb) > 0 {
				out = append(out, strings.Join(append([]string{s.ID()}, names(m.Breadcrumb)...), "."))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestApplyRulesSelect(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		want     string
		lost     string
	}{
		{[]string{"*.*"}, "crm.orders.total users.address users.address.city users.address.geo users.address.geo.lat users.id users.name", ""},
		{[]string{}, "!crm.orders !users", ""},
		{[]string{"users.address.geo.lat"}, "!crm.orders users.address users.address.geo users.address.geo.lat", ""},
		{[]string{`crm\.orders`, "!crm.*"}, "!users crm.orders.total", `[select: "!crm.*" matches nothing in the catalog]`},
		{[]string{"!users.name", "users.*", "!users.address"}, "!crm.orders users.address.city users.address.geo users.address.geo.lat users.id", ""},
		{[]string{"*.*", "!users"}, "!users crm.orders.total", ""},
		{[]string{"users.secret", "users.id"}, "!crm.orders users.id", ""},
		{[]string{"user.*", "users.nmae", `crm\.ordres.total`}, "!crm.orders users",
			`[select: "user.*" matches nothing in the catalog, did you mean "users.*"? ` +
				`select: "users.nmae" matches nothing in the catalog, did you mean "users.name"? ` +
				`select: "crm\\.ordres.total" matches nothing in the catalog, did you mean "crm\\.orders.total"?]`},
	} {
		cat := parse(t, twoStreams)
		lost, err := ApplyRules(cat, Rules{Select: c.patterns})
		if err != nil {
			t.Fatal(err)
		}
		got := chosen(cat)
		if c.want == "!crm.orders users" { // the stream alone
			c.want = "!crm.orders"
		}
		if got != c.want {
			t.Errorf("%q selects %q, want %q", c.patterns, got, c.want)
		}
		if text := fmt.Sprint(lost); c.lost != "" && text != c.lost || c.lost == "" && len(lost) > 0 {
			t.Errorf("%q: unmatched %s", c.patterns, text)
		}
	}
}

func TestApplyRulesMetadataOrderAndLegacyKeys(t *testing.T) {
	cat := parse(t, twoStreams)
	lost, err := ApplyRules(cat, Rules{Metadata: json.RawMessage(`{
		"*":{"replication-method":"FULL_TABLE"},
		"users":{"replication-method":"INCREMENTAL","replication-key":"id","key-properties":["id"],"address":{"city":{"tag":1.50}}},
		"users.n*":{"custom":{"a":[1,2]},"z":true},
		"crm\\.orders":{"replication-key":"total"},
		"nosuch":{"x":1}}`)})
	if err != nil {
		t.Fatal(err)
	}
	u, o := cat.Streams[0], cat.Streams[1]
	if m, k := u.Replication(); m != Incremental || k != "id" || u.ReplicationMethod != Incremental || u.ReplicationKey != "id" || fmt.Sprint(u.KeyProperties) != "[id]" {
		t.Errorf("users: %s %s %+v", m, k, u)
	}
	if m, k := o.Replication(); m != FullTable || k != "total" {
		t.Errorf("orders: %s %s", m, k)
	}
	if u.Meta("address", "city")["tag"] != json.Number("1.50") || u.Meta("name")["z"] != true || u.Meta("name")["custom"] != nil {
		t.Errorf("properties: %v %v", u.Meta("address", "city"), u.Meta("name"))
	}
	if len(lost) != 2 || lost[0].Pattern != "users.n*.custom" || lost[1].Pattern != "nosuch" {
		t.Errorf("unmatched: %v", lost)
	}
}

func TestApplyRulesFilterOnlyLeavesTheRest(t *testing.T) {
	cat := parse(t, twoStreams)
	lost, err := ApplyRules(cat, Rules{SelectFilter: []string{"users", "ordrs"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cat.Streams[0].Meta()["selected"]; ok || cat.Streams[1].Meta()["selected"] != false || string(cat.Streams[1].Extra["selected"]) != "false" {
		t.Errorf("%v %v", cat.Streams[0].Meta(), cat.Streams[1].Meta())
	}
	if len(lost) != 1 || lost[0].Pattern != "ordrs" {
		t.Errorf("unmatched: %v", lost)
	}
	before, _ := marshal(parse(t, twoStreams))
	same := parse(t, twoStreams)
	if _, err := ApplyRules(same, Rules{}); err != nil {
		t.Fatal(err)
	}
	if after, _ := marshal(same); string(before) != string(after) {
		t.Error("no rules change the catalog")
	}
}

func TestApplyRulesErrors(t *testing.T) {
	for _, r := range []Rules{{Metadata: json.RawMessage(`[]`)}, {Metadata: json.RawMessage(`{"users":1}`)}, {Schema: json.RawMessage(`1`)}, {Schema: json.RawMessage(`{"users":1}`)}} {
		if _, err := ApplyRules(parse(t, twoStreams), r); err == nil {
			t.Errorf("%s %s is accepted", r.Metadata, r.Schema)
		}
	}
}

func TestSelectionIsSortedAndCombined(t *testing.T) {
	cat := parse(t, twoStreams)
	if _, err := ApplyRules(cat, Rules{Select: []string{"users.*", "!users.name"}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range Selection(cat) {
		got = append(got, c.Stream+"/"+c.Property+"="+c.Selection)
	}
	// What had no metadata is automatic, and so is everything in crm.orders.
	want := "crm.orders/total=automatic users/address=automatic users/address.city=selected users/address.geo=selected users/address.geo.lat=selected users/id=automatic users/name=automatic users/secret=unsupported"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}
