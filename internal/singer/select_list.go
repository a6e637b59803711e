package singer

import (
	"cmp"
	"slices"
	"strings"
)

// What `select --list` says of a property.
const (
	IsSelected    = "selected"
	IsExcluded    = "excluded"
	IsAutomatic   = Automatic
	IsUnsupported = Unsupported
)

// Choice is one line of `select --list`.
type Choice struct {
	Stream    string `json:"stream"`
	Property  string `json:"property"` // dotted for a nested one
	Selection string `json:"selection"`
}

// Taken says whether the property will be read.
func (c Choice) Taken() bool { return c.Selection == IsSelected || c.Selection == IsAutomatic }

// Selection lists all properties of a catalog to which rules were applied,
// sorted by stream and property: Meltano's view, in which an excluded stream
// excludes what is automatic in it, and one that is itself automatic does not
// count as excluded.
func Selection(c *Catalog) []Choice {
	var list []Choice
	for _, s := range c.Streams {
		stream := choiceOf(s.Meta())
		for _, m := range s.Metadata {
			if len(m.Breadcrumb) == 0 {
				continue
			}
			list = append(list, Choice{
				Stream: s.ID(), Property: strings.Join(names(m.Breadcrumb), "."),
				Selection: combine(stream, choiceOf(m.Metadata)),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b Choice) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(a.Property, b.Property))
	})
	return list
}

func choiceOf(meta map[string]any) string {
	switch inclusion := text(meta["inclusion"]); inclusion {
	case Automatic, Unsupported:
		return inclusion
	}
	selected := answerOf(meta["selected"])
	if selected == unsaid {
		selected = answerOf(meta["selected-by-default"])
	}
	if selected == yes {
		return IsSelected
	}
	return IsExcluded
}

func combine(stream, property string) string {
	for _, strongest := range []string{IsExcluded, IsUnsupported, IsAutomatic} {
		if stream == strongest || property == strongest {
			return strongest
		}
	}
	return IsSelected
}
