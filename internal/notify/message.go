package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/state"
)

// NewMessage puts notices together. Of an incident that is over by now, one
// item says both.
func NewMessage(project, environment string, owed []state.Notice) Message {
	m := Message{Type: "alert", Project: project, Environment: environment, At: time.Now().UTC()}
	hash := sha256.New()
	for _, n := range owed {
		fmt.Fprintln(hash, n.Incident.ID, n.What)
		i := slices.IndexFunc(m.Items, func(it Item) bool { return it.ID == n.Incident.ID })
		if i >= 0 {
			m.Items[i].What = state.NoticeResolved
			continue
		}
		m.Items = append(m.Items, Item{Incident: n.Incident, What: n.What})
	}
	m.ID = "msg_" + hex.EncodeToString(hash.Sum(nil)[:16])
	return m
}

// TestMessage is what `elt alerts test` sends.
func TestMessage(project, environment string) Message {
	now := time.Now().UTC()
	return Message{ID: "msg_" + newID(), Type: "test", Project: project, Environment: environment, At: now, Items: []Item{{
		What: state.NoticeOpened, Incident: state.Incident{ID: newID(), Project: project, Environment: environment, Key: "test", Kind: "test",
			Pipeline: "test", Summary: "this is a test of the channel; nothing is wrong", Opened: now}}}}
}

// most is how many incidents a text lists.
const most = 20

// Title is the message in one line.
func (m Message) Title() string {
	opened, resolved := 0, 0
	for _, i := range m.Items {
		if i.What == state.NoticeResolved {
			resolved++
		} else {
			opened++
		}
	}
	where := m.Project
	if m.Environment != "" {
		where += " (" + m.Environment + ")"
	}
	if len(m.Items) == 1 {
		what := m.Items[0].Summary
		if resolved == 1 {
			what = "over: " + what
		}
		return line(where + ": " + what)
	}
	var parts []string
	if opened > 0 {
		parts = append(parts, fmt.Sprintf("%d alerts", opened))
	}
	if resolved > 0 {
		parts = append(parts, fmt.Sprintf("%d over", resolved))
	}
	return line(where + ": " + strings.Join(parts, ", "))
}

// Text is the message for people.
func (m Message) Text() string {
	var b strings.Builder
	for n, i := range m.Items {
		if n == most {
			fmt.Fprintf(&b, "and %d more\n", len(m.Items)-most)
			break
		}
		mark := "ALERT"
		switch {
		case m.Type == "test":
			mark = "TEST"
		case i.What == state.NoticeResolved:
			mark = "OVER"
		}
		fmt.Fprintf(&b, "%s  %s\n", mark, line(i.Summary))
		for l := range strings.Lines(i.Detail) {
			fmt.Fprintf(&b, "       %s\n", line(cut(l, 500)))
		}
		fmt.Fprintf(&b, "       since %s", stamp(i.Opened))
		if i.Resolved != nil {
			fmt.Fprintf(&b, ", until %s", stamp(*i.Resolved))
		}
		if i.Run != "" {
			fmt.Fprintf(&b, "; run %s", i.Run)
		}
		b.WriteString("\n\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// line is text without what would end a line, or a header.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + " …"
	}
	return text
}
