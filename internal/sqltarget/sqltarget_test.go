package sqltarget

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"elt/internal/row"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with testdata/name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", path, text, want)
	}
}

func everyKind() []row.Column {
	var all []row.Column
	for k := row.Bool; k <= row.JSON; k++ {
		all = append(all, row.Column{Name: k.String(), Kind: k, Wire: k.DefaultWire()})
	}
	return append(all,
		row.Column{Name: "int2", Kind: row.Int64, Wire: row.WireInt2},
		row.Column{Name: "int4", Kind: row.Int64, Wire: row.WireInt4},
		row.Column{Name: "float4", Kind: row.Float64, Wire: row.WireFloat4},
		row.Column{Name: "numeric(10,2)", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 10, Scale: 2},
		row.Column{Name: "numeric(38,9)", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 38, Scale: 9},
		row.Column{Name: "varchar(20)", Kind: row.Text, Wire: row.WireText, Precision: 20},
		row.Column{Name: "far timestamps", Kind: row.TimestampTZ, Wire: row.WireTimestampExt},
		row.Column{Name: "mixed", Kind: row.JSON, Wire: row.WireJSON, Mixed: true},
	)
}

func dialects() map[string]Dialect {
	return map[string]Dialect{"postgres": Postgres{}, "sqlite": SQLite{}}
}

func TestTypes(t *testing.T) {
	for name, d := range dialects() {
		var b strings.Builder
		for _, c := range everyKind() {
			stored := d.Store(c)
			fmt.Fprintf(&b, "%-16s %s\n", c.Name, d.Type(stored))
			if again := d.Store(stored); again != stored {
				t.Errorf("%s: %s is kept as %+v, which is kept as %+v", name, c.Name, stored, again)
			}
			if !row.Holds(stored, stored) || !row.Holds(stored, d.Store(row.Widen(stored, stored))) {
				t.Errorf("%s: %s does not hold what it was made for", name, c.Name)
			}
		}
		golden(t, name+".types", b.String())
	}
}

func TestConversions(t *testing.T) {
	for name, d := range dialects() {
		var b strings.Builder
		for _, from := range everyKind() {
			for _, to := range everyKind() {
				have, wide := d.Store(from), d.Store(row.Widen(d.Store(from), d.Store(to)))
				if d.Type(have) != d.Type(wide) && from.Wire == from.Kind.DefaultWire() && to.Wire == to.Kind.DefaultWire() {
					fmt.Fprintf(&b, "%s + %s: %s using %s\n", from.Kind, to.Kind, d.Type(wide), d.Convert(`"c"`, have, wide))
				}
			}
		}
		golden(t, name+".conversions", b.String())
	}
}

func TestStatements(t *testing.T) {
	schema := &row.Schema{Stream: "s", Columns: []row.Column{
		{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: `q"`, Kind: row.Text, Wire: row.WireText}, {Name: "j", Kind: row.JSON, Wire: row.WireJSON}}}
	schema.Columns = append(schema.Columns, SDKMetadata.Columns()...)
	var idents []string
	for _, c := range schema.Columns {
		idents = append(idents, c.Name)
	}
	for name, d := range dialects() {
		table := &Table{Name: "orders", Columns: Columns(d, schema, idents), Key: []string{"id"}}
		var sqls []string
		if s, ok := d.(Stager); ok {
			table.Schema = "raw"
			stage := &Stage{Ref: "stage", Columns: slices.Clone(table.Columns)}
			stage.Columns[1].Cast, stage.Columns[1].Type = true, "inet"
			sqls = append(sqls, stage.Create(table.Key, "on commit drop"), stage.Append(table), stage.Upsert(d, table), stage.Remove(table), Dedupe("stage", table.Key, "ctid", "n nulls first, ctid"))
			stage.Ops = true
			sqls = append(sqls, stage.Create(table.Key, "on commit drop"))
			sqls = append(append(sqls, stage.Apply(s, table, false)...), stage.Apply(s, table, true)[0])
		} else {
			sqls = append(sqls, table.Insert(table.Columns, 1)+table.OnConflict(d, table.Columns), table.Insert(table.Columns[:1], 2)+table.OnConflict(d, table.Columns[:1]),
				table.Insert(table.Columns[:6], 1)+table.MarkDeleted(table.Columns[:6]), table.Update(table.Columns[:3]), table.Delete(table.Columns[:1]))
		}
		sqls = append(sqls, table.Create(true), table.Create(false), table.AddColumn(table.Columns[1]), table.Activate(1700000000000, false, "now()"), table.Activate(1700000000000, true, ""))
		golden(t, name+".sql", strings.Join(sqls, ";\n\n")+";\n")
	}
	s, r := State{Table: `"raw"."_elt_state"`}, Rejects{Table: `"raw"."_elt_rejects"`}
	golden(t, "state.sql", strings.Join([]string{s.Create(), s.NewFence(), s.Fence(" for update"), s.Guard(" for share"), s.Claim(), s.Lane(), s.LaneSeq(" for update"), s.Positions(),
		s.Clear(), s.ClearStreams(), s.Put(), s.Get(), s.Drop(), r.Create(), r.Put()}, ";\n\n")+";\n")
}

func TestFit(t *testing.T) {
	d, n := Postgres{}, Naming{Max: 63}
	text := row.Column{Name: "a", Kind: row.Text, Wire: row.WireText}
	integer := row.Column{Name: "a", Kind: row.Int64, Wire: row.WireInt8}
	for _, c := range []struct {
		name   string
		have   []Column
		want   row.Column
		policy Policy
		pinned []string
		into   string
		change string
		err    string
	}{
		{"new", nil, text, Evolve, nil, "a", `column "a" text is new`, ""},
		{"new, add", nil, text, Add, nil, "a", `column "a" text is new`, ""},
		{"new, freeze", nil, text, Freeze, nil, "", "", ""},
		{"new, fail", nil, text, Fail, nil, "", "", "is not in the table"},
		{"holds", []Column{New(d, text)}, integer, Fail, nil, "a", "", ""},
		{"widens", []Column{New(d, integer)}, text, Evolve, nil, "a", `column "a" becomes text`, ""},
		{"add does not widen", []Column{New(d, integer)}, text, Add, nil, "a", "", ""},
		{"fail does not widen", []Column{New(d, integer)}, text, Fail, nil, "", "", "would have to become text"},
		{"pinned", []Column{New(d, integer)}, text, Evolve, []string{"a"}, "a__v2", `column "a" cannot become text, such values go to the new column "a__v2"`, ""},
		{"pinned, version there", []Column{New(d, integer), {Column: row.Column{Name: "a__v2", Kind: row.Text, Wire: row.WireText}, Type: "text"}}, text, Evolve, []string{"a"}, "a__v2", "", ""},
		{"pinned, version too narrow", []Column{New(d, integer), {Column: row.Column{Name: "a__v2", Kind: row.Bool, Wire: row.WireBool}, Type: "boolean"}}, text, Evolve, []string{"a"}, "a__v3", `column "a" cannot become text, such values go to the new column "a__v3"`, ""},
	} {
		f, err := Fit(d, n, c.have, &row.Schema{Stream: "s", Columns: []row.Column{c.want}}, []string{"a"}, c.policy, c.pinned)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		change := ""
		for _, x := range f.Changes {
			change += x.String()
		}
		if f.Into[0].Name != c.into || change != c.change {
			t.Errorf("%s: into %q, changes %q", c.name, f.Into[0].Name, change)
		}
	}
}

func TestColumnNames(t *testing.T) {
	pg, low, blind := Naming{Max: 63, Reserved: []string{"ctid"}}, Naming{Max: 63, Lower: true}, Naming{Blind: true}
	for _, c := range []struct {
		n           Naming
		names, have string
		want        string
	}{
		{pg, "Id id select ctid", "", "Id id select ctid_"},
		{low, "Id id", "", "id_ id"},
		{low, "Id", "id", "id"},
		{low, "ID Id", "", "id id_"},
		{blind, "Id id", "", "Id id_"},
		{blind, "id Id", "", "id Id_"},
		{blind, "id", "ID", "id_"},
		{blind, "id ID", "ID", "id_ ID"},
	} {
		got := c.n.Columns(strings.Fields(c.names), strings.Fields(c.have))
		for i, w := range strings.Fields(c.want) {
			if ok := got[i] == w || strings.HasSuffix(w, "_") && strings.HasPrefix(got[i], w) && len(got[i]) == len(w)+8; !ok {
				t.Errorf("%q in %q: %q, want %q", c.names, c.have, got, c.want)
			}
		}
	}
}

// Whatever names a source has: identifiers fit, stay apart and do not depend
// on the order of the columns.
func TestNamesStayApart(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.SampledFrom([]Naming{{Max: 63}, {Max: 63, Lower: true}, {Blind: true}}).Draw(r, "naming")
		word := rapid.StringOfN(rapid.SampledFrom([]rune("aAbB_ü😀 \"")), 0, 80, -1)
		names := rapid.SliceOfDistinct(word, func(s string) string { return s }).Draw(r, "names")
		ids := n.Columns(names, nil)
		seen := map[string]bool{}
		for i, id := range ids {
			if id == "" || n.Max > 0 && len(id) > n.Max || !utf8.ValidString(id) {
				r.Fatalf("%q becomes %q", names[i], id)
			}
			if seen[n.fold(id)] {
				r.Fatalf("%q is there twice in %q", id, ids)
			}
			seen[n.fold(id)] = true
		}
		if again := n.Columns(names, ids); !slices.Equal(again, ids) {
			r.Fatalf("with its own columns there, %q becomes %q", ids, again)
		}
	})
}

func TestTableNames(t *testing.T) {
	for _, c := range []struct {
		split         Split
		stream        string
		schema, table string
	}{
		{SDK, "users", "", "users"}, {SDK, "public-users", "public", "users"}, {SDK, "db-public-users", "public", "users"}, {SDK, "a-b-c-d", "", "d"}, {SDK, "odd-", "", "odd-"},
		{Pipelinewise, "users", "", "users"}, {Pipelinewise, "public-users", "public", "users"}, {Pipelinewise, "db-public-my-users", "public", "my_users"}, {Pipelinewise, "a.b", "", "a_b"},
		{Whole, "public-users", "", "public-users"},
	} {
		if s, table := c.split.Table(c.stream); s != c.schema || table != c.table {
			t.Errorf("%s: %q %q", c.stream, s, table)
		}
	}
}
