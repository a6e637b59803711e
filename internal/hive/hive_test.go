package hive

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The names are those that Spark gives.
func TestFolders(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		value Value
		want  string
	}{
		{Value{Column: "day", Text: text("2024-01-02")}, "day=2024-01-02"},
		{Value{Column: "a/b", Text: text("50% of {x}=[y]^z?")}, "a%2Fb=50%25 of %7Bx}%3D%5By%5D%5Ez%3F"},
		{Value{Column: "at", Text: text("12:00 \"'*#\\\n\x7f")}, "at=12%3A00 %22%27%2A%23%5C%0A%7F"},
		{Value{Column: "city", Text: text("Zürich")}, "city=Zürich"},
		{Value{Column: "c"}, "c=__HIVE_DEFAULT_PARTITION__"},
		{Value{Column: "c", Text: text("")}, "c=__HIVE_DEFAULT_PARTITION__"},
		{Value{Column: "c", Text: text("..")}, "c=.."},
	} {
		if got := c.value.Folder(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestPaths(t *testing.T) {
	got := Values(`s3://lake/orders/year=2024/plain/city=Z%c3%bcrich/none=__HIVE_DEFAULT_PARTITION__/odd=5%/=x/a=b.parquet`)
	var shown []string
	for _, v := range got {
		if v.Text == nil {
			shown = append(shown, v.Column+" NULL")
		} else {
			shown = append(shown, v.Column+" "+*v.Text)
		}
	}
	if s := strings.Join(shown, ", "); s != "year 2024, city Zürich, none NULL, odd 5%" {
		t.Error(s)
	}
}

// Any column and value come back from the path, and no folder leads elsewhere.
func TestFoldersReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		column := rapid.StringN(1, 20, -1).Draw(t, "column")
		text := rapid.String().Draw(t, "text")
		folder := Value{Column: column, Text: &text}.Folder()
		if strings.Contains(folder, "/") || !IsFolder(folder) {
			t.Fatalf("the folder is called %q", folder)
		}
		if text == "" || text == Null {
			return // cannot be told from NULL
		}
		back := Values("x/" + folder + "/f.parquet")
		if len(back) != 1 || back[0].Column != column || back[0].Text == nil || *back[0].Text != text {
			t.Fatalf("%q %q became %q", column, text, folder)
		}
	})
}
