package deploy

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"text/template"

	"github.com/google/renameio/v2"

	"elt/internal/fault"
)

// File is one file to be written; Name is relative.
type File struct {
	Name string
	Text []byte
}

//go:embed templates
var templates embed.FS

// render fills a template. The first line of the result is a mark, by which a
// file that was edited by hand is told from one that was not.
func render(name, command string, data any) (File, error) {
	t := template.New(name + ".tmpl").Option("missingkey=error")
	include := func(part string, data any, deeper int) (string, error) {
		var b strings.Builder
		err := t.ExecuteTemplate(&b, part, data)
		pad := strings.Repeat(" ", deeper)
		return strings.ReplaceAll(b.String(), "\n", "\n"+pad), err
	}
	if _, err := t.Funcs(template.FuncMap{"q": quote, "shell": shell, "include": include}).
		ParseFS(templates, "templates/"+name+".tmpl", "templates/pod.tmpl"); err != nil {
		return File{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return File{}, err
	}
	return File{Name: strings.TrimPrefix(name, "dot"), Text: marked(command, b.Bytes())}, nil
}

// quote writes a text as YAML that is read as that text again: JSON is YAML.
func quote(text string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSpace(b.String()), err
}

var special = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("[\\\\\"`]|\\$(?:[A-Za-z_][A-Za-z0-9_]*|\\{[A-Za-z_][A-Za-z0-9_]*\\})?")
})

// shell quotes an argument for sh; $NAME and ${NAME} in it stay variables.
func shell(arg string) string {
	if !variable().MatchString(arg) {
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return `"` + special().ReplaceAllStringFunc(arg, func(s string) string {
		if len(s) > 1 {
			return s
		}
		return `\` + s
	}) + `"`
}

var notInSlug = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9]+`) })

// Slug is a name as Kubernetes takes it: lower case, digits, dashes.
func Slug(name string) string {
	return strings.Trim(notInSlug().ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// slugs are names of at most max characters, each its own: one that is too
// long, or that another has already, ends with a hash.
func slugs(names []string, max int) []string {
	out, taken := make([]string, len(names)), map[string]bool{}
	for i, name := range names {
		s := Slug(name)
		if len(s) > max || taken[s] {
			sum := sha256.Sum256([]byte(name))
			s = strings.TrimRight(s[:min(len(s), max-7)], "-") + "-" + hex.EncodeToString(sum[:3])
		}
		out[i], taken[s] = s, true
	}
	return out
}

const mark = "written by elt; edited by hand when this no longer holds: sha256 "

func marked(command string, text []byte) []byte {
	sum := sha256.Sum256(text)
	head := fmt.Sprintf("# %s, %s%s\n", command, mark, hex.EncodeToString(sum[:8]))
	return append([]byte(head), text...)
}

// untouched says that a file is as it was written.
func untouched(text []byte) bool {
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	_, sum, found := bytes.Cut(head, []byte(mark))
	want := sha256.Sum256(rest)
	return found && string(bytes.TrimSpace(sum)) == hex.EncodeToString(want[:8])
}

// Write puts files into a folder and returns the names of those that changed.
// All are looked at before any is written: one that was edited by hand, or is
// not ours, is an error unless force is set.
func Write(dir string, files []File, force bool) (changed []string, err error) {
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(dir, f.Name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case bytes.Equal(have, f.Text):
			continue
		case !force && !untouched(have):
			return nil, fault.New(fault.Failed, "%s was edited by hand, or is not of elt's making, and is not overwritten", filepath.Join(dir, f.Name)).
				WithHint("compare it with what would be written (elt prints that without --output), then pass --force, or move it away")
		}
		changed = append(changed, f.Name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, f := range files {
		for _, name := range changed {
			if name == f.Name {
				if err := renameio.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o644); err != nil {
					return nil, err
				}
			}
		}
	}
	return changed, nil
}
