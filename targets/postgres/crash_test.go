package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"elt/targets"
)

// proxy stands between a target and the server; it cuts a connection right
// after it forwarded a COMMIT (swallow: instead of forwarding it).
type proxy struct {
	net.Listener
	server  string
	mu      sync.Mutex
	armed   bool
	swallow bool
	cut     int
}

func newProxy(t *testing.T, d *db) (*proxy, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(d.url)
	p := &proxy{Listener: l, server: u.Host}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	defer server.Close()
	defer client.Close()
	go func() { io.Copy(client, server); client.Close(); server.Close() }()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		hit := p.armed && bytes.Contains(buf[:n], []byte("commit\x00"))
		if hit {
			p.armed = false
			p.cut++
		}
		swallow := p.swallow
		p.mu.Unlock()
		if hit && swallow {
			return
		}
		if hit {
			client.Close() // the reply finds nobody
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if hit {
			io.Copy(io.Discard, server) // until the server has answered and hung up
			return
		}
	}
}

func (p *proxy) arm(swallow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.swallow = true, swallow
}

func TestLostCommitReply(t *testing.T) {
	for _, claimed := range []bool{true, false} {
		for _, took := range []bool{true, false} {
			t.Run(map[bool]string{true: "claimed", false: "unclaimed"}[claimed]+map[bool]string{true: " committed", false: " swallowed"}[took], func(t *testing.T) {
				d := newDB(t)
				d.load(nil, orders, []any{1, "a"})
				p, through := newProxy(t, d)
				s := d.sink(map[string]any{"sqlalchemy_url": through})
				if claimed {
					d.claim(s)
				}
				l := d.lane(s)
				ld := d.stream(l, orders)
				d.write(ld, batch(orders, []any{1, "b"}))
				p.arm(!took)
				err := l.Commit(context.Background(), at(`{"v":1}`))
				if p.cut != 1 {
					t.Fatalf("cut %d times", p.cut)
				}
				if took != (err == nil) {
					t.Fatalf("commit: %v", err)
				}
				if !took {
					d.want("select name from raw.orders", "a")
					return
				}
				d.want("select name from raw.orders", "b")
				d.write(ld, batch(orders, []any{1, "c"})) // the lane goes on
				d.commit(l, at(`{"v":2}`))
				d.want("select name from raw.orders", "c")
				if claimed {
					d.want("select position from raw._elt_state where part = 'whole'", `{"v":2}`)
					d.want("select seq from raw._elt_state where part = 'lane' and stream = (select max(stream) from raw._elt_state where part = 'lane' and seq > 0)", "2")
				}
			})
		}
	}
}

// A run that died left a transaction open at the server: the next Claim must
// wait until it ended, whichever way.
func TestClaimWaitsForADeadRunsTransaction(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"})
	dead := d.sink(nil)
	d.claim(dead)
	l := d.lane(dead)
	d.write(d.stream(l, orders), batch(orders, []any{2, "b"}))

	next := d.sink(nil)
	claimed := make(chan targets.Fence, 1)
	go func() {
		next.Claim(context.Background(), "test", func(f targets.Fence) (targets.Fence, error) {
			found := f
			f.Epoch++
			defer func() { claimed <- found }()
			return f, nil
		})
		close(claimed)
	}()
	waiting := "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%for update%' and datname = current_database()"
	for d.rows(waiting) != "1" { // the claim is blocked on the fence row
		select {
		case <-claimed:
			t.Fatal("the claim did not wait for the open transaction")
		case <-time.After(10 * time.Millisecond):
		}
	}
	d.commit(l, at(`{"v":9}`)) // the zombie's commit is still in time …
	found := <-claimed
	if got := string(found.Bookmarks.Raw()); got != `{"v":9}` {
		t.Errorf("the claim saw %s", got)
	}
	<-claimed
	if _, err := l.Stream(context.Background(), orders); !errors.Is(err, targets.ErrFenced) { // … its next is not
		t.Errorf("after the claim: %v", err)
	}
	d.want("select count(*) from raw.orders", "2")
}

func TestNoFenceRowMeansFenced(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	d.claim(s)
	d.exec("delete from raw._elt_state")
	l := d.lane(s)
	if err := l.Commit(context.Background(), at(`{}`)); !errors.Is(err, targets.ErrFenced) {
		t.Errorf("%v", err)
	}
}

// A connection that dies in the middle of a transaction leaves nothing.
func TestKilledBackend(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"})
	s := d.sink(nil)
	d.claim(s)
	l := d.lane(s)
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "b"}, []any{2, "c"}))
	d.exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'active' and query like '%copy%from stdin%' and pid <> pg_backend_pid()")
	err := l.Commit(context.Background(), at(`{"v":1}`))
	if err == nil {
		t.Fatal("committed")
	}
	l.Close()
	d.want("select id, name from raw.orders", "1|a")
	if found := d.claim(d.sink(nil)); !found.Bookmarks.IsZero() {
		t.Errorf("bookmark %s", found.Bookmarks.Raw())
	}
}

func TestPositions(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	if found := d.claim(s); found.Found {
		t.Error("found before anything was there")
	}
	l := d.lane(s)
	d.commit(l, at(`{"bookmarks":{"a":{"v":1},"b":{"v":1}},"x":1}`))
	d.commit(l, targets.Commit{Streams: map[string]json.RawMessage{"b": json.RawMessage(`{"v":2}`)}})
	l2 := d.lane(s)
	d.commit(l2, targets.Commit{Streams: map[string]json.RawMessage{"c": json.RawMessage(`{"v":3}`)}})
	found := d.claim(d.sink(nil))
	if want := `{"bookmarks":{"a":{"v":1},"b":{"v":2},"c":{"v":3}},"x":1}`; !found.Found || found.Epoch != 1 || string(found.Bookmarks.Raw()) != want {
		t.Errorf("%+v %s", found, found.Bookmarks.Raw())
	}
	// A decision for another bookmark replaces all of it.
	s = d.sink(nil)
	err := s.Claim(context.Background(), "test", func(f targets.Fence) (targets.Fence, error) {
		return targets.Fence{Epoch: f.Epoch + 5, Edit: 3}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := d.claim(d.sink(nil)); found.Epoch != 7 || found.Edit != 3 || !found.Bookmarks.IsZero() {
		t.Errorf("%+v", found)
	}
}

func TestParallelLanes(t *testing.T) {
	d := newDB(t)
	s := d.sink(map[string]any{"parallelism": 3})
	d.claim(s)
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		wg.Go(func() {
			one := schema(name, "id", "id int64")
			l, err := s.Lane(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			ld, err := l.Stream(context.Background(), one)
			for i := range 5 {
				if err == nil {
					err = ld.Write(context.Background(), batch(one, []any{i}, []any{i}))
				}
				if err == nil {
					err = l.Commit(context.Background(), targets.Commit{Streams: map[string]json.RawMessage{name: json.RawMessage(`{"v":1}`)}})
				}
			}
			if err == nil {
				err = ld.End(context.Background())
			}
			if err == nil {
				err = l.Commit(context.Background(), targets.Commit{})
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	d.want("select (select count(*) from raw.a), (select count(*) from raw.b), (select count(*) from raw.c)", "5|5|5")
	d.want("select count(*) from information_schema.columns where table_schema = 'raw' and column_name = '_elt_n'", "0")
}

func TestReject(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	l := d.lane(s)
	err := l.(targets.Rejecter).Reject(context.Background(), targets.Reject{Stream: "orders", Reason: "no number", Record: json.RawMessage(`{"id":"x"}`)})
	if err != nil {
		t.Fatal(err)
	}
	d.commit(l, targets.Commit{})
	d.want("select stream, reason, record from raw._elt_rejects", `orders|no number|{"id":"x"}`)
}
