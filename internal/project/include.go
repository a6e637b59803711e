package project

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"elt/internal/fault"
)

// readFiles reads the project file and what it includes, checks each against
// the schema and merges them: objects merge, lists follow one another, and
// of scalars the included one counts.
func (p *Project) readFiles(c *checker) error {
	main, err := p.readFile(p.File)
	if err != nil {
		return err
	}
	p.main, p.file = main, main
	c.check(main, projectShape())
	paths, err := p.included(main.get("include_paths"), c)
	if err != nil {
		return err
	}
	seen := map[[2]string]*node{}
	for _, path := range paths {
		n, err := p.readFile(path)
		if err != nil {
			return err
		}
		c.check(n, includedShape())
		if err := ownOnce(n, seen); err != nil {
			c.wrong(err)
		}
		p.file = merge(p.file, n)
	}
	return nil
}

func (p *Project) readFile(path string) (*node, error) {
	src, err := readSource(p.Root, path)
	if err != nil {
		return nil, err
	}
	p.sources = append(p.sources, src)
	return parse(src)
}

// included are the files that the patterns match, in the order of the
// patterns, sorted within each. In
// a Meltano project a file that is not there is worth a warning only.
func (p *Project) included(patterns *node, c *checker) ([]string, error) {
	var out []string
	for _, item := range patterns.list() {
		pattern := filepath.ToSlash(item.text())
		if filepath.IsAbs(pattern) {
			rel, err := filepath.Rel(p.Root, pattern)
			if err != nil {
				return nil, item.errorf("include path %q is outside of the project", item.text())
			}
			pattern = filepath.ToSlash(rel)
		}
		pattern = pathClean(pattern)
		if pattern == ".." || strings.HasPrefix(pattern, "../") {
			return nil, item.errorf("include path %q is outside of the project", item.text())
		}
		found, err := doublestar.Glob(os.DirFS(p.Root), pattern, doublestar.WithFilesOnly())
		if err != nil {
			return nil, item.errorf("include path %q is no glob pattern", item.text())
		}
		slices.Sort(found)
		for _, f := range found {
			path := filepath.Join(p.Root, filepath.FromSlash(f))
			if path != p.File && !slices.Contains(out, path) && !hidden(f, pattern) {
				out = append(out, path)
			}
		}
		if len(found) == 0 && !strings.ContainsAny(pattern, "*?[{") {
			missing := item.errorf("include path %q does not exist", item.text())
			if c.own {
				return nil, missing
			}
			c.warnings = append(c.warnings, missing)
		}
	}
	return out, nil
}

func pathClean(pattern string) string {
	return strings.TrimPrefix(filepath.ToSlash(filepath.Clean(pattern)), "./")
}

// hidden says that a wildcard ran into a hidden file or directory.
func hidden(path, pattern string) bool {
	wanted := strings.Split(pattern, "/")
	for _, part := range strings.Split(path, "/") {
		if strings.HasPrefix(part, ".") && !slices.ContainsFunc(wanted, func(w string) bool { return strings.HasPrefix(w, ".") }) {
			return true
		}
	}
	return false
}

// includedShape is what an included file may hold.
func includedShape() *shape {
	whole := projectShape()
	s := &shape{what: "an included file", kind: object, keys: map[string]*shape{}}
	for _, key := range []string{"plugins", "environments", "jobs", "schedules", "annotations", "version"} {
		s.keys[key] = whole.keys[key]
	}
	return s
}

// ownOnce refuses a name that two included files define: an edit would not
// know where to go.
func ownOnce(n *node, seen map[[2]string]*node) *fault.Error {
	check := func(kind string, list *node) *fault.Error {
		for _, item := range list.list() {
			name := item.get("name").text()
			id := [2]string{kind, name}
			if before := seen[id]; before != nil && name != "" {
				return item.errorf("%s %q is defined already at %s", kind, name, before.at())
			}
			seen[id] = item
		}
		return nil
	}
	for _, k := range Kinds() {
		if err := check(k.noun(), n.get("plugins").get(string(k))); err != nil {
			return err
		}
	}
	for kind, key := range map[string]string{"environment": "environments", "job": "jobs", "schedule": "schedules"} {
		if err := check(kind, n.get(key)); err != nil {
			return err
		}
	}
	return nil
}

// merge lays b over a without changing either.
func merge(a, b *node) *node {
	switch {
	case a == nil || a.isNull():
		return b
	case b == nil || b.isNull():
		return a
	case a.isMap && b.isMap:
		out := *a
		out.entries = slices.Clone(a.entries)
		for _, e := range b.entries {
			if have := out.entry(e.key); have != nil {
				have.value = merge(have.value, e.value)
			} else {
				out.entries = append(out.entries, e)
			}
		}
		return &out
	case a.isList && b.isList:
		out := *a
		out.items = slices.Concat(a.items, b.items)
		return &out
	}
	return b
}
