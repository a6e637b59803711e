package project

import (
	"os"
	"regexp"
	"strings"
	"sync"

	"elt/internal/fault"
)

// readDotenv reads a .env file as Meltano does (python-dotenv): ${NAME} and
// ${NAME:-default} are filled in, $NAME is not; quotes may span lines. The
// dotenv library of Go expands $NAME too and cannot be told not to. Lines that
// are no NAME=value are passed over, and come back as mistakes.
func readDotenv(path, shown string, environ map[string]string) (out map[string]string, mistakes []*fault.Error, err error) {
	text, err := os.ReadFile(path)
	out = map[string]string{}
	if os.IsNotExist(err) {
		return out, nil, nil
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Failed, err, "cannot read %s", shown)
	}
	rest, line := strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"), 1
	for rest != "" {
		d, ok := cutDotenv(rest)
		if !ok {
			first, _, _ := strings.Cut(rest, "\n")
			mistakes = append(mistakes, fault.New(fault.Failed, "this is not NAME=value").
				WithPosition(fault.Position{File: shown, Line: line, Column: 1}, redactLine(first)))
		}
		if d.name != "" && d.assigned {
			out[d.name] = fillDotenv(d.value, environ, out)
		}
		line += strings.Count(d.raw, "\n")
		rest = rest[len(d.raw):]
	}
	return out, mistakes, nil
}

// dotenvLine is one binding with the text it takes, line end included.
type dotenvLine struct {
	raw, name, value string
	assigned         bool
}

var (
	dotenvName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[^\S\n]*(?:export[^\S\n]+)?(?:'([^'\n]+)'|([^=#\s'"]+))[^\S\n]*`)
	})
	dotenvSingle = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^'((?:\\[\\']|[^'])*)'`) })
	dotenvDouble = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^"((?:\\[\\"]|[^"])*)"`) })
	dotenvEnd    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[^\S\n]*(?:#[^\n]*)?(?:\n|$)`) })
	dotenvNote   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s+#.*`) })
)

// cutDotenv cuts the first binding off a text; false if it is none, with the text to pass over.
func cutDotenv(text string) (dotenvLine, bool) {
	if m := dotenvEnd().FindString(text); m != "" || text == "" {
		return dotenvLine{raw: m}, true // blank, or a comment
	}
	m := dotenvName().FindStringSubmatch(text)
	if m == nil {
		return unreadable(text, 0), false
	}
	d := dotenvLine{name: m[1] + m[2]}
	at := len(m[0])
	if strings.HasPrefix(text[at:], "=") {
		d.assigned = true
		at++
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t"))
		rest := text[at:]
		switch {
		case strings.HasPrefix(rest, "'"):
			q := dotenvSingle().FindStringSubmatch(rest)
			if q == nil {
				return unreadable(text, at), false
			}
			d.value, at = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(q[1]), at+len(q[0])
		case strings.HasPrefix(rest, `"`):
			q := dotenvDouble().FindStringSubmatch(rest)
			if q == nil {
				return unreadable(text, at), false
			}
			d.value, at = dotenvEscapes.Replace(q[1]), at+len(q[0])
		default:
			bare, _, _ := strings.Cut(rest, "\n")
			d.value, at = strings.TrimSpace(dotenvNote().ReplaceAllString(bare, "")), at+len(bare)
		}
	}
	end := dotenvEnd().FindString(text[at:])
	if end == "" && at < len(text) {
		return unreadable(text, at), false
	}
	d.raw = text[:at+len(end)]
	return d, true
}

// unreadable takes what was understood and the rest of that line, as python-dotenv goes on.
func unreadable(text string, at int) dotenvLine {
	if end := strings.IndexByte(text[at:], '\n'); end >= 0 {
		return dotenvLine{raw: text[:at+end+1]}
	}
	return dotenvLine{raw: text}
}

var dotenvEscapes = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\"`, `"`, `\a`, "\a", `\b`, "\b",
	`\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")

var dotenvVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([^}:]*)(?::-([^}]*))?\}`) })

// fillDotenv fills in ${NAME}: values above it in the file win over the environment.
func fillDotenv(value string, environ, above map[string]string) string {
	return dotenvVariable().ReplaceAllStringFunc(value, func(ref string) string {
		m := dotenvVariable().FindStringSubmatch(ref)
		if v, ok := above[m[1]]; ok {
			return v
		}
		if v, ok := environ[m[1]]; ok {
			return v
		}
		return m[2]
	})
}

// redactLine keeps a line's name and hides what may be its secret.
func redactLine(line string) string {
	if name, _, ok := strings.Cut(line, "="); ok {
		return name + "=…"
	}
	if len(line) > 0 {
		return "…"
	}
	return ""
}
