// Package hive names the folders of a partitioned table as Hive and Spark do:
// a folder column=value per partition column, with what a folder cannot be
// called as %XX. The source of the rules is Hive's FileUtils.escapePathName
// and Spark's ExternalCatalogUtils, which are alike.
package hive

import "strings"

// Null is what NULL is called, and an empty text, which Hive and Spark cannot
// tell from it.
const Null = "__HIVE_DEFAULT_PARTITION__"

// NoteKey is the key of a Parquet file under which target-parquet notes the
// partition that the file is of, as a JSON array of Values: a folder's name
// does not say what type a value has, nor whether it was NULL or "".
const NoteKey = "elt.partition"

// Value is what all rows of a partition have in a column.
type Value struct {
	Column string `json:"column"`
	Kind   string `json:"kind,omitempty"` // a row.Kind, "" where nobody noted it
	// Text is the value, nil for NULL. Of a folder that is called Null it is nil.
	Text *string `json:"value"`
}

// Folder is what the value's folder is called.
func (v Value) Folder() string {
	name := Null
	if v.Text != nil && *v.Text != "" {
		name = Escape(*v.Text)
	}
	return Escape(v.Column) + "=" + name
}

// Escape makes a part of a folder's name out of a text.
func Escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == 0x7f || strings.IndexByte("\"#%'*/:=?\\{[]^", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

const digits = "0123456789ABCDEF"

// unescape is the inverse of Escape; a percent sign that no two hexadecimal
// digits follow stands for itself.
func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			high, low := digit(name[i+1]), digit(name[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func digit(c byte) int { return strings.IndexByte(digits, upper(c)) }

func upper(c byte) byte {
	if c >= 'a' && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}

// Values are those that the folders of a file's path (with slashes) say,
// outermost first. Folders that are called otherwise are passed over.
func Values(path string) (out []Value) {
	folders := strings.Split(path, "/")
	for _, name := range folders[:len(folders)-1] {
		column, value, ok := strings.Cut(name, "=")
		if !ok || column == "" {
			continue
		}
		v := Value{Column: unescape(column)}
		if value != Null {
			text := unescape(value)
			v.Text = &text
		}
		out = append(out, v)
	}
	return out
}

// IsFolder says whether a folder's name is one of a partition.
func IsFolder(name string) bool { return strings.IndexByte(name, '=') > 0 }
