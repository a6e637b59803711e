package pipe

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"elt/internal/limit"
	"elt/internal/singer"
)

// numbered are records of one stream, with a STATE after every few of them.
func numbered(from, to, every int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, `{"type":"RECORD","stream":"users","record":{"id":%d}}`+"\n", i)
		if every > 0 && i%every == 0 {
			fmt.Fprintf(&b, `{"type":"STATE","value":{"bookmarks":{"users":{"id":%d}}}}`+"\n", i)
		}
	}
	return b.String()
}

func TestLimitsEndARunAtItsNextState(t *testing.T) {
	const schema = schemaUsers + "\n"
	const stop = singer.StopLine + "\n"
	size := int64(len(numbered(1, 1, 0)))
	for name, c := range map[string]struct {
		limits limit.Limits
		text   string
		want   string // what a built-in target reads
		which  string
	}{
		"rows":              {limit.Limits{Rows: 15}, schema + numbered(1, 100, 10), schema + numbered(1, 20, 10) + stop, "max_rows"},
		"rows, at a state":  {limit.Limits{Rows: 20}, schema + numbered(1, 100, 10), schema + numbered(1, 20, 10) + stop, "max_rows"},
		"bytes":             {limit.Limits{Bytes: 15 * size}, schema + numbered(1, 100, 10), schema + numbered(1, 20, 10) + stop, "max_bytes"},
		"the tap was done":  {limit.Limits{Rows: 15}, schema + numbered(1, 20, 10), schema + numbered(1, 20, 10) + singer.EndLine + "\n", ""},
		"far from it":       {limit.Limits{Rows: 21}, schema + numbered(1, 20, 10), schema + numbered(1, 20, 10) + singer.EndLine + "\n", ""},
		"no state comes":    {limit.Limits{Rows: 15}, schema + numbered(1, 100, 0), schema + numbered(1, 30, 0) + stop, "max_rows"},
		"another stream":    {limit.Limits{Rows: 5}, schema + numbered(1, 10, 10) + schema + schema + numbered(11, 20, 10), schema + numbered(1, 10, 10) + schema + schema + stop, "max_rows"},
		"preview":           {limit.Limits{PerStream: 3}, schema + numbered(1, 100, 10), schema + numbered(1, 3, 0) + stop, "limit"},
		"preview of little": {limit.Limits{PerStream: 30}, schema + numbered(1, 20, 10), schema + numbered(1, 20, 0) + singer.EndLine + "\n", ""},
		"a rate alone":      {limit.Limits{RowRate: 1e6}, schema + numbered(1, 20, 10), schema + numbered(1, 20, 10) + singer.EndLine + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got sink
			target := inside("target-y", func(in io.Reader, out io.Writer) error {
				_, err := got.ReadFrom(in)
				for line := range strings.Lines(got.String()) {
					if value, ok := strings.CutPrefix(line, `{"type":"STATE","value":`); ok && err == nil {
						_, err = io.WriteString(out, strings.TrimSuffix(value, "}\n")+"\n")
					}
				}
				return err
			})
			target.BuiltIn = true
			o := runChain(t, &heard{}, Chain{Limits: c.limits, Streams: 1}, writes(c.text, 0), target)
			if o.Failure != nil || got.String() != c.want {
				t.Errorf("%v; the target read\n%swant\n%s", o.Failure, got.String(), c.want)
			}
			if which := ""; o.Limit != nil && o.Limit.Setting != c.which || o.Limit == nil && c.which != which {
				t.Errorf("limit %v, want %q", o.Limit, c.which)
			}
			if string(o.Acked) != string(o.Forwarded) {
				t.Errorf("acknowledged %s of %s", o.Acked, o.Forwarded)
			}
		})
	}
}

// A tap that would go on for ever, or says nothing, is ended; a target that is
// not ours reads the end of its input, and a mapper is not to blame.
func TestLimitsEndTheTap(t *testing.T) {
	for name, c := range map[string]struct {
		limits limit.Limits
		stages []Stage
	}{
		"endless":         {limit.Limits{Rows: 100}, []Stage{player("tap-x", "say "+schemaUsers, "records 100", "say "+state1, "records 100000000"), player("target-y", "echo")}},
		"behind a mapper": {limit.Limits{Rows: 100}, []Stage{player("tap-x", "say "+schemaUsers, "records 100", "say "+state1, "records 100000000"), player("map", "cat"), player("target-y", "echo")}},
		"silent":          {limit.Limits{Duration: time.Second}, []Stage{player("tap-x", "say "+schemaUsers, "records 100", "say "+state1, "sleep"), player("target-y", "echo")}},
		"deaf":            {limit.Limits{Duration: time.Second}, []Stage{player("tap-x", "say "+schemaUsers, "records 100", "say "+state1, "hang"), player("target-y", "echo")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runChain(t, &heard{}, Chain{Limits: c.limits}, c.stages...)
			for o.Limit != nil && len(o.Flow.Streams) == 0 && c.limits.Duration < time.Minute { // the tap had not begun: a busy machine
				c.limits.Duration *= 4
				o = runChain(t, &heard{}, Chain{Limits: c.limits}, c.stages...)
			}
			if o.Failure != nil || o.Limit == nil || !o.Confirmed {
				t.Fatalf("failure %v, limit %v, confirmed %v", o.Failure, o.Limit, o.Confirmed)
			}
			if rows := o.Flow.Streams[0].Rows; rows != 100 {
				t.Errorf("%d rows went on", rows)
			}
		})
	}
}

// A target that dies has died, also of a run that is slowed down.
func TestATargetThatDiesEndsAPause(t *testing.T) {
	o := runChain(t, &heard{}, Chain{Limits: limit.Limits{RowRate: 1}}, player("tap-x", "records 100000"), player("target-y", "exit 5"))
	wantFailure(t, o, Exit, "target-y")
}
