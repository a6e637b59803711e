package project

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

// FuzzParse: any text is a tree or an error with a place, never a crash, a
// hang, or a tree larger than the limit.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"mistakes", "edits", "findings"} {
		paths, _ := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
		for _, path := range paths {
			if a, err := txtar.ParseFile(path); err == nil {
				f.Add(string(a.Files[0].Data))
			}
		}
	}
	f.Add(strings.Repeat("[", 200))
	f.Add(strings.Repeat("- ", 200))
	f.Add(strings.Repeat("a:\n ", 200))
	f.Add("a: &a [*a]\n")
	f.Add("a: !!str 5\nb: {<<: {c: 1}}\n? x\n: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		src := newSource("", "elt.yml", text)
		root, err := parse(src)
		if err != nil {
			_ = asMistake(err)
			return
		}
		c := &checker{own: true}
		c.check(root, projectShape())
		_ = pythonJSON(root.plain())
		for _, m := range c.mistakes {
			if m.At.Line > len(src.lines) {
				t.Errorf("mistake on line %d of %d", m.At.Line, len(src.lines))
			}
		}
	})
}

// TestBombs: files made to exhaust memory are refused.
func TestBombs(t *testing.T) {
	billion := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		ref := "*a" + string(rune('0'+i-1))
		billion += "a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(ref+", ", 9) + ref + "]\n"
	}
	for name, text := range map[string]string{
		"aliases": billion, "brackets": "a: " + strings.Repeat("[", 500_000), "braces": "a: " + strings.Repeat("{a: ", 100_000),
		"dashes": strings.Repeat("- ", 300_000), "levels": levels(400), "merges": "a: &a {b: 1}\n" + strings.Repeat("? ", 100_000),
	} {
		if _, err := parse(newSource("", "elt.yml", text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	dir := t.TempDir()
	writeFile(t, dir+"/elt.yml", strings.Repeat("# large\n", maxBytes/8+1))
	if _, err := readSource(dir, dir+"/elt.yml"); err == nil {
		t.Error("a file of more than the limit was read")
	}
}

func levels(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestEditsNeverDamage makes random edits of random files: each either gives
// what was asked for and leaves everything else, or is refused.
func TestEditsNeverDamage(t *testing.T) {
	name := rapid.StringMatching(`[a-c]`)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		scalar := rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](jsonInt("7")),
			rapid.Map(rapid.SampledFrom([]string{"x", "it's", "a: b", "*.*", "#1", "", "two\nlines", "010", "x y", "[z", "ü"}), func(s string) any { return s }))
		if depth == 0 {
			return scalar
		}
		return rapid.OneOf(scalar, scalar,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(name, value(depth-1), 0, 3), func(m map[string]any) any {
				out := NewMap()
				for _, k := range []string{"a", "b", "c"} {
					if v, ok := m[k]; ok {
						out.Set(k, v)
					}
				}
				return out
			}))
	}
	refused, done := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		whole := NewMap()
		for _, k := range []string{"a", "b", "c"} {
			whole.Set(k, value(3).Draw(t, k))
		}
		text := strings.Join(style{rapid.SampledFrom([]int{0, 2}).Draw(t, "offset")}.block(whole), "   # note\n") + "\n"
		if rapid.Bool().Draw(t, "plain") {
			text = strings.ReplaceAll(text, "   # note", "")
		}
		e, err := newTextedit(newSource("x.yml", "x.yml", text))
		if err != nil || canonical(e.root.plain()) != canonical(whole) {
			return // a note inside a text over several lines
		}
		for range 3 {
			path := rapid.SliceOfN(name, 0, 2).Draw(t, "path")
			key, v := name.Draw(t, "key"), value(2).Draw(t, "value")
			before := e.src.text
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				err = e.set(keys(path...), key, v)
				if at, lost := e.locate(keys(append(path, key)...)); err == nil && (lost != nil || canonical(at.node.plain()) != canonical(v)) {
					t.Fatalf("set %v %s to %s in\n%s\ngave\n%s", path, key, pythonJSON(v), before, e.src.text)
				}
			case 1:
				if at, lost := e.locate(keys(path...)); lost != nil || !at.node.hasMap() {
					continue
				}
				err = e.remove(keys(path...), key, 0)
			case 2:
				if at, lost := e.locate(keys(path...)); lost != nil || !at.node.hasMap() {
					continue
				}
				err = e.add(keys(path...), key, v)
			}
			if done++; err != nil {
				if strings.Contains(err.Error(), "by machine") { // not: the path leads through a text
					refused++
					t.Logf("refused in\n%s", before)
				}
				if e.src.text != before {
					t.Fatalf("a refused edit changed the text: %v", err)
				}
			}
		}
	})
	if refused*20 > done {
		t.Errorf("%d of %d edits were refused", refused, done)
	}
}
