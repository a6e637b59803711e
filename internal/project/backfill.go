package project

import (
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/strftime"
)

// Backfill is the key `backfill` of an extractor: the settings by which it
// reads no more than a window of time.
type Backfill struct {
	Start, End   string // names of settings; End is "" where the tap has none
	Format       string // of strftime; "" is ISO 8601 in UTC
	EndInclusive bool   // the tap reads its end too
	At           fault.Position

	node *node
}

func readBackfill(n *node) *Backfill {
	b := &Backfill{Start: n.get("start").text(), End: n.get("end").text(), Format: n.get("format").text(),
		EndInclusive: n.get("end_inclusive").isTrue(), At: n.at(), node: n}
	if b.End == "none" {
		b.End = ""
	}
	return b
}

// CheckBackfill says what is wrong with a plugin's key `backfill`.
func (p *Project) CheckBackfill(plugin *Plugin) error {
	b := plugin.Backfill
	if b == nil {
		return nil
	}
	if b.Format != "" {
		at := b.node.get("format")
		if d := strftime.Unknown(b.Format); d != "" {
			return at.errorf("the format of %s's backfill has %s, which is unknown", plugin.Name, d).
				WithHint("a strftime format such as %%Y-%%m-%%d or %%Y-%%m-%%dT%%H:%%M:%%SZ")
		}
		if strftime.Precision(b.Format) == 0 {
			return at.errorf("the format %q of %s's backfill tells no days apart", b.Format, plugin.Name).
				WithHint("a strftime format such as %%Y-%%m-%%d or %%Y-%%m-%%dT%%H:%%M:%%SZ")
		}
	}
	if b.EndInclusive && b.End == "" {
		return b.node.get("end_inclusive").errorf("end_inclusive of %s's backfill has no end to speak of", plugin.Name).
			WithHint("name the setting that takes the end, or leave end_inclusive out")
	}
	var declared []string
	for _, d := range plugin.own {
		if !d.Custom {
			declared = append(declared, d.Name)
		}
	}
	for _, key := range []string{"start", "end"} {
		at := b.node.get(key)
		if name := at.text(); !b.settable(plugin, declared, name) && !(key == "end" && b.End == "") {
			e := at.errorf("%s has no setting %q", plugin.Name, name)
			if near := fault.Nearest(name, declared); near != "" {
				return e.WithHint("did you mean %q?", near)
			}
			return e.WithHint("its settings are %s; another is declared under settings:", strings.Join(declared, ", "))
		}
	}
	if b.Start == b.End {
		return b.node.get("end").errorf("start and end of %s's backfill are the same setting", plugin.Name)
	}
	return nil
}

// settable says whether the plugin takes a setting: all are taken where none
// is declared, and those that its configuration uses.
func (b *Backfill) settable(plugin *Plugin, declared []string, name string) bool {
	return len(declared) == 0 || slices.ContainsFunc(plugin.own, func(d *Definition) bool {
		return d.Name == name
	})
}

// Bounds are the values that the settings get for the window from <= t < to.
// The error says that the format cannot tell them.
func (b *Backfill) Bounds(from, to time.Time) (start, end string, err error) {
	step := time.Microsecond
	if b.Format != "" {
		step = strftime.Precision(b.Format)
	}
	for _, t := range []time.Time{from, to} {
		if at := t.UTC(); !at.Truncate(step).Equal(at) {
			return "", "", fault.New(fault.Usage, "the format %q of the tap's backfill cannot say %s", b.Format, t.UTC().Format(time.RFC3339Nano)).
				WithPosition(b.At, "").WithHint("choose --from, --to and --chunk so that windows begin at whole %s", unitOf(step))
		}
	}
	if b.EndInclusive {
		to = to.Add(-step)
	}
	write := func(t time.Time) string {
		if b.Format == "" {
			return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
		}
		return strftime.Format(b.Format, t.UTC())
	}
	return write(from), write(to), nil
}

func unitOf(step time.Duration) string {
	switch {
	case step >= 24*time.Hour:
		return "days in UTC"
	case step >= time.Hour:
		return "hours"
	case step >= time.Minute:
		return "minutes"
	case step >= time.Second:
		return "seconds"
	}
	return "microseconds"
}
