package sqlite

import "testing"

func TestNames(t *testing.T) {
	f := newFile(t)
	odd := schema("public-Odd \"Näme\"", "ID", "ID int64", "id int64", "select text", "😀 text", " text")
	odd.Columns[4].Name = ""
	for range 2 {
		f.load(nil, odd, []any{1, 2, "s", "e", "empty"})
		f.want(`select "ID", "select", "😀", _ from "Odd ""Näme"""`, "1|s|e|empty")
		f.want(`select count(*) from pragma_table_info('Odd "Näme"')`, "5")
	}
	f.load(nil, schema("Users", "", "x int64"), []any{1})
	for range 2 {
		f.load(nil, schema("users", "x", "x int64"), []any{2})
	}
	f.want(`select x from "Users"`, "1")
	f.load(nil, schema("sqlite_odd", "", "x int64"), []any{1})
	f.want(`select x from _sqlite_odd`, "1")
	f.load(nil, schema("a-_elt_state", "", "x int64"), []any{1})
	f.want(`select x from __elt_state`, "1")
}

// A table keeps its stream for ever, whichever of them comes first later.
func TestStreamsThatComeToOneName(t *testing.T) {
	f := newFile(t)
	f.load(nil, schema("a-x", "", "n int64"), []any{1})
	f.load(nil, schema("b-x", "", "n int64"), []any{2})
	f.load(nil, schema("b-X", "", "n int64"), []any{3})
	f.load(nil, schema("x", "", "n int64"), []any{4})
	f.load(nil, schema("b-x", "", "n int64"), []any{2})
	f.load(nil, schema("a-x", "", "n int64"), []any{1})
	f.want(`select n from x`, "1\n1")
	f.want(`select stream, table_name from _elt_streams order by stream`,
		"a-x|x\nb-X|"+naming().Suffixed("b-X")+"\nb-x|"+naming().Suffixed("b-x")+"\nx|"+naming().Suffixed("x"))
	f.want(`select n from "`+naming().Suffixed("b-x")+`"`, "2\n2")
}

// Files of earlier versions have tables named by the whole stream.
func TestTablesOfEarlierVersionsStay(t *testing.T) {
	f := newFile(t)
	f.exec(`create table "src-orders" (n integer); create table other (n integer)`)
	f.load(nil, schema("src-orders", "", "n int64"), []any{1})
	f.load(nil, schema("src-other", "", "n int64"), []any{2}) // as an SDK target had left it
	f.want(`select (select n from "src-orders"), (select n from other), (select count(*) from sqlite_master where name in ('orders', 'src-other'))`, "1|2|0")
}

// A run that breaks before its first commit takes no name.
func TestABrokenRunTakesNoName(t *testing.T) {
	f := newFile(t)
	s := f.sink(nil)
	l := f.lane(s)
	f.stream(l, schema("a-x", "", "n int64"))
	f.must(s.Abort())
	f.load(nil, schema("b-x", "", "n int64"), []any{2})
	f.want(`select n from x`, "2")
}
