package jdbc

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"elt/internal/proc"
)

// bridge is a running Java process with a driver. One goroutine uses it; the
// protocol is that of bridge/Bridge.java.
type bridge struct {
	ctx     context.Context
	process *proc.Process
	set     *settings
	in      *bufio.Reader
	frame   []byte // memory for payloads
	unhook  func() bool
	java    string
	gone    bool // it has ended, or was told to

	product, version, driver, quote string
}

func newBridge(ctx context.Context, p *proc.Process, s *settings) *bridge {
	return &bridge{ctx: ctx, process: p, set: s, in: bufio.NewReaderSize(p.Stdout, 64<<10), unhook: context.AfterFunc(ctx, p.Kill)}
}

// close ends the process: it says good-bye to the database when it is idle,
// and is killed when it takes more than five seconds for that.
func (b *bridge) close() {
	b.process.CloseStdin()()
	b.process.Close() // a batch that nobody reads any more must not hold it up
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case <-b.process.Exited():
	case <-timer.C:
		b.process.Kill()
	}
	b.process.Wait()
	b.unhook()
}

// ask sends a request.
func (b *bridge) ask(words ...string) error {
	r := binary.BigEndian.AppendUint32(nil, uint32(len(words)))
	for _, w := range words {
		r = binary.BigEndian.AppendUint32(r, uint32(len(w)))
		r = append(r, w...)
	}
	if _, err := b.process.Stdin.Write(r); err != nil {
		return b.died(err)
	}
	return nil
}

// next reads a frame; the payload is valid until the next call. What the
// bridge refuses is a *refusal.
func (b *bridge) next() (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(b.in, head[:]); err != nil {
		return 0, nil, b.died(err)
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if cap(b.frame) < n || cap(b.frame) > 16<<20 {
		b.frame = make([]byte, n, n+n/8)
	}
	payload = b.frame[:n]
	if _, err := io.ReadFull(b.in, payload); err != nil {
		return 0, nil, b.died(err)
	}
	if head[0] == 'X' {
		x := texts(payload)
		return 'X', nil, &refusal{b.set.hidden.String(x[0]), b.set.hidden.String(x[1]), x[2]}
	}
	return head[0], payload, nil
}

// died says how the process ended, when ctx did not end it.
func (b *bridge) died(err error) error {
	b.gone = true
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	b.process.CloseStdin()()
	status := b.process.Stop(2 * time.Second)
	text := fmt.Sprintf("the Java process ended: %s (%v)", status, err)
	if tail := b.process.Tail(); len(tail) > 0 {
		text += "; it said at last:\n  " + b.set.hidden.String(strings.Join(tail[max(0, len(tail)-8):], "\n  "))
	}
	return &refusal{kind: "died", text: text}
}

// open connects.
func (b *bridge) open() error {
	words := []string{"open", b.set.Class, b.set.URL, strconv.Itoa(len(b.set.system) / 2)}
	words = append(append(words, b.set.system...), b.set.connection...)
	if err := b.ask(words...); err != nil {
		return err
	}
	_, payload, err := b.next()
	if err != nil {
		return b.explainOpen(err)
	}
	answer := texts(payload)
	b.product, b.version, b.driver, b.quote = answer[0], answer[1], answer[2]+" "+answer[3], answer[4]
	if b.set.Quote != nil {
		b.quote = *b.set.Quote
	}
	return nil
}

// describe is the columns that a query would give.
func (b *bridge) describe(sql string) ([]column, error) {
	if err := b.ask("describe", sql); err != nil {
		return nil, err
	}
	_, payload, err := b.next()
	if err != nil {
		return nil, err
	}
	return columnsOf(payload)
}

// quoted is a name, or a qualified one, as the database wants it. Empty parts are left out.
func (b *bridge) quoted(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p == "" {
			continue
		}
		out = append(out, b.quote+strings.ReplaceAll(p, b.quote, b.quote+b.quote)+b.quote)
	}
	if b.quote == "" {
		out = slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "" })
	}
	return strings.Join(out, ".")
}

// texts are the strings of a frame; null reads as "".
func texts(payload []byte) []string {
	var out []string
	for len(payload) >= 4 {
		n := int(int32(binary.BigEndian.Uint32(payload)))
		payload = payload[4:]
		n = min(max(n, 0), len(payload))
		out = append(out, string(payload[:n]))
		payload = payload[n:]
	}
	return out
}
