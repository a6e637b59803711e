package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf16"
)

// forms are the texts in which a value may show up.
func forms(value string) []string {
	list := []string{value, url.QueryEscape(value), url.PathEscape(value), hex.EncodeToString([]byte(value))}
	for _, p := range list[1:3] {
		list = append(list, lowerEscapes(p))
	}
	if text, err := json.Marshal(value); err == nil {
		list = append(list, strings.Trim(string(text), `"`))
	}
	list = append(list, jsonText(value, false), jsonText(value, true))
	for shift := range 3 {
		std := base64At(base64.RawStdEncoding, value, shift)
		list = append(list, std, base64At(base64.RawURLEncoding, value, shift))
	}
	return list
}

// lowerEscapes is URL text with %2f for %2F: both are in use.
func lowerEscapes(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// jsonText is value inside a JSON string as other languages write it: only
// the characters that must be escaped, and with ascii all that are not ASCII.
func jsonText(value string, ascii bool) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || ascii && r > 0x7e && r < 0x10000:
			writeEscape(&b, r)
		case ascii && r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			writeEscape(&b, high)
			writeEscape(&b, low)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func writeEscape(b *strings.Builder, r rune) {
	const digits = "0123456789abcdef"
	b.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(digits[r>>shift&15])
	}
}

// base64At is the part of the base64 text that is the same whatever stands
// around value, when value begins shift bytes into a group of three.
func base64At(enc *base64.Encoding, value string, shift int) string {
	text := enc.EncodeToString(append(make([]byte, shift), value...))
	if (shift+len(value))%3 != 0 {
		text = text[:len(text)-1] // its last character depends on the next byte
	}
	return text[[]int{0, 2, 3}[shift]:]
}
