package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"elt/internal/backfill"
	"elt/state"
)

// BackfillReport is a backfill in JSON.
type BackfillReport struct {
	state.Backfill
	Status string `json:"status"` // Interrupted also where nothing but the lease tells
	Done   int    `json:"chunks_done"`
	Total  int    `json:"chunks_total"`
	Rows   int64  `json:"rows"`
}

// NewBackfillReport sums a backfill up.
func NewBackfillReport(b state.Backfill) BackfillReport {
	r := BackfillReport{Backfill: b, Status: b.Status, Done: b.Done(), Total: len(b.Chunks)}
	if b.Status == state.Running && !b.Alive {
		r.Status = state.Interrupted
	}
	for _, c := range b.Chunks {
		r.Rows += c.Rows()
	}
	return r
}

// printPlan shows what a backfill will do.
func printPlan(w io.Writer, p *backfill.Plan) {
	fmt.Fprintf(w, "backfill of %s  (state id %s)\n", p.Name, p.StateID)
	chunks := "1 chunk"
	if len(p.Chunks) > 1 {
		chunks = fmt.Sprintf("%d chunks", len(p.Chunks))
	}
	fmt.Fprintf(w, "  from %s to %s, the end not included, in %s\n", backfill.Text(p.From), backfill.Text(p.To), chunks)
	for _, one := range p.Plugins {
		fmt.Fprintf(w, "  %s\n", strings.Replace(pluginLine(one), " ran as ", " runs as ", 1))
	}
	given := p.Start
	if p.End != "" {
		given += " and " + p.End
	}
	fmt.Fprintf(w, "  each chunk is given to the tap as %s\n", given)
	printStreams(w, p.Streams)
	t := Table{Header: []string{"  chunk", "from", "to"}}
	for i, c := range p.Chunks {
		if len(p.Chunks) > 60 && i >= 5 && i < len(p.Chunks)-5 {
			if i == 5 {
				t.Add("  …", "", "")
			}
			continue
		}
		t.Add(fmt.Sprintf("  %d", i+1), backfill.Text(c.From), backfill.Text(c.To))
	}
	t.Print(w)
	for _, n := range p.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

func printStreams(w io.Writer, streams []backfill.Stream) {
	t := Table{Header: []string{"  stream", "windowed by", "key", "goes to", "loaded by"}}
	for _, s := range streams {
		load := or(s.Load, "the target decides")
		if s.Refused != "" {
			load = "refused: " + s.Refused
		}
		t.Add("  "+s.Name, or(s.ReplicationKey, "-"), or(strings.Join(s.Key, ", "), "-"), or(s.Table, "the target decides"), load)
	}
	t.Print(w)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// PrintBackfill shows a backfill with its plan, progress and result.
func PrintBackfill(w io.Writer, b state.Backfill) {
	r := NewBackfillReport(b)
	fmt.Fprintf(w, "backfill %s of %s: %s, %d of %d chunks done, %d rows  (state id %s)\n", b.ID, b.Name, r.Status, r.Done, r.Total, r.Rows, b.StateID)
	fmt.Fprintf(w, "  from %s to %s, the end not included\n", backfill.Text(b.From), backfill.Text(b.To))
	var p struct {
		Streams []backfill.Stream `json:"streams"`
	}
	if json.Unmarshal(b.Plan, &p) == nil { // else its chunks are shown alone
		printStreams(w, p.Streams)
	}
	t := Table{Header: []string{"  chunk", "from", "to", "status", "runs", "rows", "seconds", "run id"}}
	for _, c := range b.Chunks {
		took, status := "", c.Status
		if c.Started != nil && c.Ended != nil {
			took = fmt.Sprintf("%.1f", c.Ended.Sub(*c.Started).Seconds())
		}
		if status == state.Running && !b.Alive {
			status = state.Interrupted
		}
		t.Add(fmt.Sprintf("  %d", c.N), backfill.Text(c.From), backfill.Text(c.To), status, c.Attempts, c.Rows(), took, c.RunID)
	}
	t.Print(w)
	for _, c := range b.Chunks {
		if c.Cause != "" {
			fmt.Fprintf(w, "  chunk %d: %s\n", c.N, c.Cause)
		}
	}
	if b.Cause != "" {
		fmt.Fprintf(w, "  cause: %s\n", b.Cause)
	}
}
