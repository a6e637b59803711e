package filesink

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"
)

// longest is how many bytes of a stream's name a file name keeps; file
// systems take 255, and an extension and our prefixes need room.
const longest = 180

// Name is a file name for a stream: the stream's name, with what a file name
// cannot hold (separators, control characters, a leading dot) and the percent
// sign itself as %XX, so that two streams never share a name by accident. An
// overlong name is cut and ends with a hash of the whole.
func Name(stream string) string {
	var b strings.Builder
	for i := 0; i < len(stream); i++ {
		c := stream[i]
		if c < 0x20 || c == 0x7f || c == '/' || c == '%' || c == '.' && i == 0 ||
			runtime.GOOS == "windows" && strings.IndexByte(`\:*?"<>|`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	name := strings.ToValidUTF8(b.String(), "%FF")
	if name == "" {
		return "%"
	}
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(stream))
	cut := longest
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "-" + hex.EncodeToString(sum[:6])
}

// Expand makes a path out of a user's text: a leading ~ is the home directory.
func Expand(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && home != "" && (rest == "" || rest[0] == '/') {
		return filepath.Join(home, rest)
	}
	if path == "" {
		return "."
	}
	return path
}
