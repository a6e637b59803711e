package project

import (
	"encoding/json"
	"testing"
)

// TestPlainScalars: YAML 1.2 as ruamel reads it, numbers with all their digits.
func TestPlainScalars(t *testing.T) {
	for text, want := range map[string]any{
		"": nil, "~": nil, "null": nil, "NULL": nil, "nil": "nil",
		"true": true, "False": false, "yes": "yes", "no": "no", "on": "on", "y": "y",
		"010": json.Number("10"), "0": json.Number("0"), "-0": json.Number("0"), "+5": json.Number("5"),
		"1_000": json.Number("1000"), "0x1F": json.Number("31"), "0o17": json.Number("15"), "0b101": json.Number("5"), "-0x10": json.Number("-16"),
		"12345678901234567890123": json.Number("12345678901234567890123"), "_": "_", "+": "+", "0x": "0x",
		"1.50": json.Number("1.50"), ".5": json.Number("0.5"), "-.5": json.Number("-0.5"), "1.": json.Number("1.0"),
		"1e3": json.Number("1e3"), "007.5": json.Number("7.5"), "1.2.3": "1.2.3", ".": ".", "e3": "e3",
		"2024-02-01": "2024-02-01", "2024-02-01T10:20:30Z": "2024-02-01T10:20:30Z", "12:30:45": "12:30:45", ".inf": ".inf",
	} {
		got := plainScalar(text)
		if got != want {
			t.Errorf("%q is %#v, want %#v", text, got, want)
		}
		if n, ok := got.(json.Number); ok && !json.Valid([]byte(n)) {
			t.Errorf("%q becomes %q, which is no JSON number", text, n)
		}
	}
}

func TestScalarsAreWrittenAsThemselves(t *testing.T) {
	for _, text := range []string{"", "a", "yes", "true", "null", "~", "010", "1e3", "-1", "1.5", "a: b", "a:", "a #b", "#x", "- x", "-x", "-",
		"*.*", "!users.email", "users.*", "it's", `say "hi"`, "[1]", "{a}", "a,b", "a]b", " lead", "trail ", "two\nlines", "tab\there", "\x00", "ü",
		"2024-01-01", "%x", "@x", "`x", "&x", "|", ">", "?", "? x", ":", ":x", "<<", "=", "---", "--- a", "...", "\u2028", "$VAR", `back\slash`} {
		for name, written := range map[string]string{"block": "k: " + scalarYAML(text, false) + "\n", "flow": "{k: " + scalarYAML(text, true) + "}\n"} {
			root, err := parse(newSource("", "x.yml", written))
			if err != nil {
				t.Errorf("%s: %q is written %q: %v", name, text, written, err)
				continue
			}
			if got := root.get("k").plain(); got != text {
				t.Errorf("%s: %q is written %q and read as %#v", name, text, written, got)
			}
		}
	}
}
