package project

import (
	"slices"
	"strings"

	"elt/internal/fault"
)

// place is where the configuration of a plugin is written: its entry, or its
// entry in an environment, which is made when it is missing.
func (e *Editor) place(plugin *Plugin, environment string) (*textedit, []step, error) {
	if environment == "" {
		return e.entry(plugin.node, keys("plugins", string(plugin.Kind)), plugin.Name)
	}
	var owner *node
	for _, n := range e.p.file.get("environments").list() {
		if n.get("name").text() == environment {
			owner = n
			break
		}
	}
	if owner == nil {
		return nil, nil, fault.New(fault.Failed, "no environment is called %q", environment)
	}
	t, path, err := e.entry(owner, keys("environments"), environment)
	if err != nil {
		return nil, nil, err
	}
	list := append(path, keys("config", "plugins", string(plugin.Kind))...)
	at, err := t.locate(list[:len(path)])
	if err != nil {
		return nil, nil, err
	}
	items := at.node.get("config").get("plugins").get(string(plugin.Kind)).list()
	i := slices.IndexFunc(items, func(n *node) bool { return n.get("name").text() == plugin.Name })
	if i < 0 {
		i = len(items)
		item := NewMap()
		item.Set("name", plugin.Name)
		if err := t.add(list[:len(list)-1], string(plugin.Kind), item); err != nil {
			return nil, nil, err
		}
	}
	return t, append(list, step{index: i + 1}), nil
}

// under is the object below place in which a setting stands, and its names:
// an extra stands in the entry itself.
func under(place []step, name []string) ([]step, []string) {
	if extra, ok := strings.CutPrefix(name[0], "_"); ok {
		return place, append([]string{extra}, name[1:]...)
	}
	return append(slices.Clone(place), step{key: "config"}), name
}

// SetConfig writes a setting of a plugin into its entry, or into its entry in
// an environment. Other spellings of the setting (dotted, aliases) go.
func (e *Editor) SetConfig(plugin *Plugin, environment string, path []string, value any) error {
	t, place, err := e.place(plugin, environment)
	if err != nil {
		return err
	}
	if err := e.unset(t, place, plugin, path, true); err != nil {
		return err
	}
	object, names := under(place, path)
	object = append(object, keys(names[:len(names)-1]...)...)
	return t.set(object, names[len(names)-1], value)
}

// UnsetConfig removes a setting of a plugin, with objects that it empties.
func (e *Editor) UnsetConfig(plugin *Plugin, environment string, path []string) error {
	if environment != "" && !e.hasEntry(plugin, environment) {
		return nil
	}
	t, place, err := e.place(plugin, environment)
	if err != nil {
		return err
	}
	return e.unset(t, place, plugin, path, false)
}

func (e *Editor) hasEntry(plugin *Plugin, environment string) bool {
	other, err := e.p.In(environment)
	return err == nil && other.pluginEntry(plugin) != nil
}

// unset removes all spellings of a setting; but the one of path itself when
// it is about to be written anew, so that it stays in its place.
func (e *Editor) unset(t *textedit, place []step, plugin *Plugin, path []string, keepPath bool) error {
	name := strings.Join(path, ".")
	names := []string{name}
	for _, d := range plugin.Definitions() {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			names = appendNew(append([]string{d.Name}, d.Aliases...), name)
		}
	}
	for _, n := range names {
		spellings := [][]string{{n}}
		if parts := strings.Split(n, "."); len(parts) > 1 {
			spellings = append(spellings, parts)
		}
		for _, s := range spellings {
			if keepPath && slices.Equal(s, path) {
				continue
			}
			object, keysOf := under(place, s)
			object = append(object, keys(keysOf[:len(keysOf)-1]...)...)
			if at, err := t.locate(object); err != nil || !at.node.hasMap() {
				continue
			}
			if err := t.remove(object, keysOf[len(keysOf)-1], len(place)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) hasMap() bool { return n != nil && n.isMap }

// ResetConfig removes the configuration and the extras of a plugin.
func (e *Editor) ResetConfig(plugin *Plugin, environment string) error {
	if environment != "" && !e.hasEntry(plugin, environment) {
		return nil
	}
	t, place, err := e.place(plugin, environment)
	if err != nil {
		return err
	}
	at, err := t.locate(place)
	if err != nil {
		return err
	}
	known := pluginKeys()
	for _, en := range slices.Clone(at.node.object()) {
		if _, is := known[en.key]; is && en.key != "config" || en.merged {
			continue
		}
		if err := t.remove(place, en.key, len(place)); err != nil {
			return err
		}
	}
	return nil
}

// SetProject writes a setting of the project itself.
func (e *Editor) SetProject(path []string, value any) error {
	t, err := e.main()
	if err != nil {
		return err
	}
	if name := strings.Join(path, "."); t.root.get(name) != nil {
		return t.set(nil, name, value)
	}
	return t.set(keys(path[:len(path)-1]...), path[len(path)-1], value)
}

// UnsetProject removes a setting of the project itself.
func (e *Editor) UnsetProject(path []string) error {
	t, err := e.main()
	if err != nil {
		return err
	}
	if err := t.remove(nil, strings.Join(path, "."), 0); err != nil {
		return err
	}
	object := keys(path[:len(path)-1]...)
	if at, err := t.locate(object); err != nil || !at.node.hasMap() {
		return nil
	}
	return t.remove(object, path[len(path)-1], 0)
}

// Select adds a selection rule to an extractor, or removes it.
func (e *Editor) Select(plugin *Plugin, environment, pattern string, remove bool) error {
	t, place, err := e.place(plugin, environment)
	if err != nil {
		return err
	}
	at, err := t.locate(append(slices.Clone(place), step{key: "select"}))
	if err != nil {
		return err
	}
	i := slices.Index(at.node.texts(), pattern)
	switch {
	case remove && i < 0:
		return fault.New(fault.Failed, "%s has no selection rule %q", plugin.Name, pattern)
	case remove:
		return t.drop(place, "select", i+1, true) // an empty list selects nothing; no list would select all
	case i >= 0:
		return nil
	}
	return t.add(place, "select", pattern)
}

// ClearSelect removes all selection rules of an extractor.
func (e *Editor) ClearSelect(plugin *Plugin, environment string) error {
	if environment != "" && !e.hasEntry(plugin, environment) {
		return nil
	}
	t, place, err := e.place(plugin, environment)
	if err != nil {
		return err
	}
	return t.remove(place, "select", len(place))
}
