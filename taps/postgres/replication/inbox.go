package replication

import (
	"encoding/binary"
	"sync"
)

// inboxBytes is how much the inbox holds before its filler has to wait.
const inboxBytes = 1 << 20

// keepBytes: a slab that one giant message made bigger is not kept.
const keepBytes = 4 * inboxBytes

// inbox hands messages from the goroutine that reads the socket to the
// consumer, many at a time: two slabs change hands, nothing is allocated.
type inbox struct {
	ready chan struct{} // something came, or the end
	room  chan struct{} // the consumer took something

	mu  sync.Mutex
	in  []byte // length-prefixed messages
	err error  // why no more come

	out  []byte // the consumer's: what is left of slab
	slab []byte
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put copies a message in; it waits for room, and gives up when done closes.
func (b *inbox) put(message []byte, done <-chan struct{}) {
	for {
		b.mu.Lock()
		if len(b.in) == 0 || len(b.in)+len(message) <= inboxBytes {
			b.in = binary.BigEndian.AppendUint32(b.in, uint32(len(message)))
			b.in = append(b.in, message...)
			b.mu.Unlock()
			signal(b.ready)
			return
		}
		b.mu.Unlock()
		select {
		case <-b.room:
		case <-done:
			return
		}
	}
}

func (b *inbox) end(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	signal(b.ready)
}

// next is the next message, nil when none has come. It is valid until the
// call after it. The error comes after all messages.
func (b *inbox) next() ([]byte, error) {
	if len(b.out) == 0 {
		b.mu.Lock()
		spare := b.slab[:0]
		if cap(spare) > keepBytes {
			spare = nil
		}
		b.slab, b.in = b.in, spare
		b.out = b.slab
		err := b.err
		b.mu.Unlock()
		signal(b.room)
		if len(b.out) == 0 {
			return nil, err
		}
	}
	n := binary.BigEndian.Uint32(b.out)
	message := b.out[4 : 4+n]
	b.out = b.out[4+n:]
	return message, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
