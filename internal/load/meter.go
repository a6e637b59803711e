package load

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/targets"
)

// meter counts what one stream moved. All methods may be called at any time.
type meter struct {
	stream   string
	start    time.Time
	rows     atomic.Int64
	bytes    atomic.Int64
	rejected atomic.Int64
	waits    *waits // shared by all streams of one relay
	mu       sync.Mutex
	end      time.Time
	bookmark json.RawMessage
	changes  []targets.Change
	err      string
	shape    *row.Schema // that the runner has not been told of yet
}

func (m *meter) moved(rows, bytes int) {
	m.rows.Add(int64(rows))
	m.bytes.Add(int64(bytes))
}

// sharing lets a relay's waits count for the stream.
func (m *meter) sharing(w *waits) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits = w
}

func (m *meter) at(bookmark json.RawMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bookmark = bookmark
}

// shaped takes note of the stream's schema.
func (m *meter) shaped(schema *row.Schema) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shape = schema
}

// news is the schema, once.
func (m *meter) news() *row.Schema {
	m.mu.Lock()
	defer m.mu.Unlock()
	schema := m.shape
	m.shape = nil
	return schema
}

// ended stops the clock.
func (m *meter) ended(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end.IsZero() {
		m.end = time.Now()
	}
	if err != nil && m.err == "" {
		m.err = err.Error()
	}
}

func (m *meter) stats() StreamStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.end
	if end.IsZero() {
		end = time.Now()
	}
	return StreamStats{
		Stream: m.stream, Rows: m.rows.Load(), Bytes: m.bytes.Load(), Seconds: end.Sub(m.start).Seconds(),
		Bookmark: m.bookmark, Rejected: m.rejected.Load(), WaitTap: m.waits.tap.Load() / 1e6, WaitTarget: m.waits.target.Load() / 1e6,
		Error: m.err, Changes: slices.Clone(m.changes),
	}
}

// meters are all streams of a run, reported to the runner once per second.
type meters struct {
	mu     sync.Mutex
	list   []*meter
	byName map[string]*meter
	out    io.Writer // nil: nobody listens
	quit   chan struct{}
	done   chan struct{}
}

func newMeters(out io.Writer) *meters {
	m := &meters{byName: map[string]*meter{}, out: out, quit: make(chan struct{}), done: make(chan struct{})}
	if out == nil {
		close(m.done)
	} else {
		go m.report()
	}
	return m
}

func (m *meters) stream(name string) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName[name] == nil {
		one := &meter{stream: name, start: time.Now(), waits: &waits{}}
		m.byName[name], m.list = one, append(m.list, one)
	}
	return m.byName[name]
}

// changed is a targets.ChangeReporter's report.
func (m *meters) changed(c targets.Change) {
	one := m.stream(c.Stream)
	one.mu.Lock()
	defer one.mu.Unlock()
	one.changes = append(one.changes, c)
}

func (m *meters) stats() Stats {
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	s := Stats{Type: TypeStats, Streams: make([]StreamStats, len(list))}
	for i, one := range list {
		s.Streams[i] = one.stats()
	}
	return s
}

func (m *meters) report() {
	defer close(m.done)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.write()
		case <-m.quit:
			m.write()
			return
		}
	}
}

// write is best effort: statistics must not fail a run. Schemas go first, as
// SCHEMA messages.
func (m *meters) write() {
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	for _, one := range list {
		if schema := one.news(); schema != nil {
			if line, err := singer.PrintSchema(schema); err == nil {
				m.out.Write(line)
			}
		}
	}
	if line, err := json.Marshal(m.stats()); err == nil {
		m.out.Write(append(line, '\n'))
	}
}

// close writes the last line; the list is complete then.
func (m *meters) close() {
	for _, one := range m.list {
		one.ended(nil)
	}
	close(m.quit)
	<-m.done
}
