package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormsAreMasked(t *testing.T) {
	value := "p@ss/wörd \"quoted\"\n+%"
	var r Redactor
	r.Add(value)
	js, _ := json.Marshal(map[string]string{"password": value})
	for name, text := range map[string]string{
		"raw":   "before " + value + " after",
		"json":  string(js),
		"ascii": `{"password": "p@ss/w\u00f6rd \"quoted\"\n+%"}`,
		"query": "https://h/?p=" + url.QueryEscape(value) + "&x=1",
		"path":  "https://u:" + url.PathEscape(value) + "@h/",
	} {
		if got := r.String(text); !strings.Contains(got, Mask) || strings.Contains(got, "quoted") {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
	for _, prefix := range []string{"", "a", "ab", "abc"} {
		text := base64.StdEncoding.EncodeToString([]byte(prefix + value + "tail"))
		if got := r.String(text); !strings.Contains(got, Mask) || len(got) > 16 {
			t.Errorf("base64 after %q: %q became %q", prefix, text, got)
		}
	}
}

func TestShortValuesAreNotMasked(t *testing.T) {
	var r Redactor
	r.Add("abc", "")
	if got := r.String("abc abc"); got != "abc abc" {
		t.Error(got)
	}
}

func TestPrivateKeyLinesAreMasked(t *testing.T) {
	var r Redactor
	r.Add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nSECONDLINEOFKEY\n-----END KEY-----\n")
	if got := r.String("log: MIIEvQIBADANBgkqhkiG9w0"); got != "log: ***" {
		t.Error(got)
	}
}

func TestWriterHoldsBackOnlyWhatMayBeASecret(t *testing.T) {
	var r Redactor
	r.Add("secret-value")
	var out bytes.Buffer
	w := r.Writer(&out)
	w.Write([]byte("line one\nsecret-"))
	if out.String() != "line one\n" {
		t.Errorf("written: %q", out.String())
	}
	w.Write([]byte("agent\n"))
	if out.String() != "line one\nsecret-agent\n" {
		t.Errorf("written: %q", out.String())
	}
	w.Write([]byte("sec"))
	w.Flush()
	if !strings.HasSuffix(out.String(), "\nsec") {
		t.Errorf("flushed: %q", out.String())
	}
}

// However a text is cut into writes, no value gets through and nothing else is lost.
func TestWriterAtAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 6, 9, -1)
		secrets := rapid.SliceOfN(letters, 1, 3).Draw(t, "secrets")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab.")), 0, 60, -1).Draw(t, "text")
		var r Redactor
		r.Add(secrets...)
		whole := r.String(text)
		for _, s := range secrets {
			if strings.Contains(whole, s) {
				t.Fatalf("%q is in %q", s, whole)
			}
		}
		var out bytes.Buffer
		w := r.Writer(&out)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			w.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		w.Flush()
		if out.String() != whole {
			t.Fatalf("cut: %q, whole: %q", out.String(), whole)
		}
		if !strings.Contains(text, "a") && whole != text {
			t.Fatalf("%q became %q", text, whole)
		}
	})
}
