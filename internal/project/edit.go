package project

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"elt/internal/fault"
)

// Editor changes the project's files. Each change goes to the file that owns
// the entry; Save writes all of them, or none is touched.
type Editor struct {
	p     *Project
	files map[*source]*textedit
	lock  *flock.Flock
}

func readOnly() error {
	return fault.New(fault.Failed, "the project is read-only (project_readonly)")
}

// Edit begins a change. It waits for another elt that is changing the same
// project; Save or Close ends it. The project itself stays as it was loaded.
func (p *Project) Edit() (*Editor, error) {
	if p.ReadOnly() {
		return nil, readOnly()
	}
	e := &Editor{p: p, files: map[*source]*textedit{}}
	if err := os.MkdirAll(p.SysDir(), 0o755); err == nil {
		e.lock = flock.New(p.SysDir() + "/project.lock")
		if err := e.lock.Lock(); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot lock the project for a change")
		}
	}
	fresh, mistakes, err := load(p.options) // somebody may have changed the files since
	if err == nil {
		err = first(mistakes)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	e.p = fresh
	return e, nil
}

// Close ends a change without saving it.
func (e *Editor) Close() {
	if e.lock != nil {
		_ = e.lock.Close() // the lock is gone with the descriptor
		e.lock = nil
	}
}

// Save replaces each changed file at once, keeping its permissions.
func (e *Editor) Save() error {
	defer e.Close()
	for old, t := range e.files {
		if t.src.text == old.text {
			continue
		}
		mode := os.FileMode(0o644)
		if info, err := os.Stat(old.path); err == nil {
			mode = info.Mode().Perm()
		}
		path := old.path
		if real, err := os.Readlink(path); err == nil && !strings.HasPrefix(real, "/") {
			path = path[:strings.LastIndexByte(path, '/')+1] + real // renaming must not replace a link
		}
		if err := renameio.WriteFile(path, []byte(t.src.text), mode, renameio.WithExistingPermissions()); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot write %s", old.shown)
		}
	}
	return nil
}

func (e *Editor) file(src *source) (*textedit, error) {
	for _, now := range e.p.sources {
		if now.path == src.path {
			src = now
		}
	}
	if t := e.files[src]; t != nil {
		return t, nil
	}
	t, err := newTextedit(src)
	if err == nil {
		e.files[src] = t
	}
	return t, err
}

func (e *Editor) main() (*textedit, error) { return e.file(e.p.main.src) }

// entry is the file and path of a named item of the lists that get finds.
func (e *Editor) entry(owner *node, list []step, name string) (*textedit, []step, error) {
	t, err := e.file(owner.src)
	if err != nil {
		return nil, nil, err
	}
	at, err := t.locate(list)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(at.node.list(), func(n *node) bool { return n.get("name").text() == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("%s has no entry %q", pathText(list), name)
	}
	return t, append(slices.Clone(list), step{index: i + 1}), nil
}

// Add appends an entry to one of the lists at the top: "environments",
// "jobs", "schedules".
func (e *Editor) Add(list string, item *Map) error {
	t, err := e.main()
	if err != nil {
		return err
	}
	return t.add(nil, list, item)
}

// Remove takes an entry out of such a list, wherever it is written.
func (e *Editor) Remove(list, name string) error {
	t, path, err := e.named(list, name)
	if err != nil {
		return err
	}
	return t.drop(nil, list, path[1].index, false)
}

// Set changes keys of such an entry.
func (e *Editor) Set(list, name string, values *Map) error {
	t, path, err := e.named(list, name)
	if err != nil {
		return err
	}
	for k, v := range values.All() {
		if err := t.set(path, k, v); err != nil {
			return err
		}
	}
	return nil
}

func (e *Editor) named(list, name string) (*textedit, []step, error) {
	var names []string
	for _, n := range e.p.file.get(list).list() {
		if n.get("name").text() == name {
			return e.entry(n, keys(list), name)
		}
		names = append(names, n.get("name").text())
	}
	err := fault.New(fault.Failed, "no %s is called %q", strings.TrimSuffix(list, "s"), name)
	if near := fault.Nearest(name, names); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return nil, nil, err
}

// Change makes one change and saves it.
func (p *Project) Change(change func(*Editor) error) error {
	e, err := p.Edit()
	if err != nil {
		return err
	}
	defer e.Close()
	if err := change(e); err != nil {
		return err
	}
	return e.Save()
}
