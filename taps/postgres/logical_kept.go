package postgres

import (
	"sync"

	"elt/taps"
	"elt/taps/postgres/replication"
)

// kept knows what of each stream is durable at the destination. What all
// streams have there, the server may forget (invariant 1).
type kept struct {
	ids map[string]string // a stream's name to its id

	mu      sync.Mutex
	durable map[string]replication.LSN // by stream id
	conn    *replication.Conn          // which hears of it, nil before the first
}

func newKept() *kept {
	return &kept{durable: map[string]replication.LSN{}, ids: map[string]string{}}
}

// start takes note of where a stream stands: that bookmark was durable before
// the run, or the stream needs the log from there on.
func (k *kept) start(p *plan) {
	k.durable[p.id], k.ids[p.schema.Stream] = p.log.at, p.id
}

// tell makes conn the one that hears of what may be forgotten.
func (k *kept) tell(conn *replication.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn = conn
	conn.Confirm(k.leastOf())
}

// follow confirms to the server what acked says, until the function that it
// returns is called; that waits until everything acknowledged so far is in.
func (k *kept) follow(acked <-chan taps.Position) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case p, open := <-acked:
				if !open {
					return
				}
				k.take(p)
				continue
			case <-quit:
			}
			select {
			case p, open := <-acked:
				if !open {
					return
				}
				k.take(p)
			default:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (k *kept) take(p taps.Position) {
	id, ok := k.ids[p.Stream]
	if !ok {
		id = p.Stream
	}
	mark, err := parseBookmark(p.Value)
	at, known := mark.lsn()
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ours := k.durable[id]; err != nil || !known || !ours {
		return // of a stream that is not read from the log
	}
	k.durable[id] = max(k.durable[id], at)
	k.conn.Confirm(k.leastOf())
}

func (k *kept) least() replication.LSN {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.leastOf()
}

func (k *kept) leastOf() replication.LSN {
	least := ^replication.LSN(0)
	for _, at := range k.durable {
		least = min(least, at)
	}
	return least
}
