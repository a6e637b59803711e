package project

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"elt/internal/fault"
)

// meltanos are the versions of Meltano that elt stands for.
var meltanos = []string{"4.2.2", "4.4.1"}

var requirement = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?$`) })

// requires checks requires_meltano: one of the versions that elt stands for
// has to do. What is no list of comparisons is let pass.
func (p *Project) requires() error {
	n := p.file.get("requires_meltano")
	if n.text() == "" || slices.ContainsFunc(meltanos, func(v string) bool { return satisfies(v, n.text()) }) {
		return nil
	}
	err := n.errorf("this project requires Meltano %s; elt stands for %s", n.text(), strings.Join(meltanos, " to "))
	err.Code = fault.Version
	return err
}

func satisfies(version, spec string) bool {
	for part := range strings.SplitSeq(spec, ",") {
		m := requirement().FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			continue
		}
		have, want := release(version), release(m[2])
		order := slices.CompareFunc(padded(have, len(want)), padded(want, len(have)), cmp.Compare[int])
		begins := slices.Equal(padded(have, len(want))[:len(want)], want)
		var ok bool
		switch m[1] {
		case "==":
			ok = order == 0 || m[3] != "" && begins
		case "!=":
			ok = order != 0 && (m[3] == "" || !begins)
		case "<=":
			ok = order <= 0
		case ">=":
			ok = order >= 0
		case "<":
			ok = order < 0
		case ">":
			ok = order > 0
		case "~=": // at least this, and the same but for the last number
			ok = order >= 0 && slices.Equal(padded(have, len(want))[:len(want)-1], want[:len(want)-1])
		}
		if !ok {
			return false
		}
	}
	return true
}

func release(version string) []int {
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part) // digits only; one too long for an int is its largest
		out = append(out, n)
	}
	return out
}

func padded(n []int, length int) []int {
	return append(slices.Clone(n), make([]int, max(0, length-len(n)))...)
}
