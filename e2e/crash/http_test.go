package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/internal/fake/domo"
	"elt/internal/fake/xactly"
)

// service is a source over HTTP, which outlives what is killed.
type service struct {
	tap, config string
	selected    string          // a stream, "" for all
	warehouse   string          // what part of its table's name is
	columns     [2]string       // of a row, as the target names them
	rows        func() []string // what must be there in the end, "a|b"
	bookmark    func() string   // part of the bookmark when all is read
	asked       func() int      // requests so far
	// calm ends faults and growth, and forgets the requests.
	calm func()
	// onlyNew checks the requests of a run that has nothing new to read.
	onlyNew func(t *testing.T)
}

// newEdcast grows while it is read, and suffers from all that Domo may.
func newEdcast(t *testing.T) *service {
	at := 1500
	var s *domo.Server
	s = domo.Start(domo.Behaviour{
		PerToken: 9, Trickle: time.Millisecond, Every: map[int]string{11: "503", 13: "reset", 17: "429"}, Faults: []string{"", "cut", "", "query", "504"},
		Grow: func(d *domo.Dataset) {
			for range 7 {
				d.Rows = append(d.Rows, domo.ExplorerRow(at))
				at++
			}
		},
	}, domo.Explorer(at))
	t.Cleanup(s.Close)
	const id = "b1c2-explorer"
	ecl, when := slices.IndexFunc(domo.Explorer(0).Columns, named("ECL ID")), slices.IndexFunc(domo.Explorer(0).Columns, named("Time"))
	return &service{
		tap:       "tap-edcast",
		config:    fmt.Sprintf("{username: %s, password: %q, url_base: %q, start_date: '2021-12-01T00:00:00Z', end_date: '2022-02-01T00:00:00Z', slice_rows: 150, retry_pause: 0.001, datasets: [%s]}", domo.Client, domo.Secret, s.URL, id),
		warehouse: "explorer",
		columns:   [2]string{"ecl id", "time"}, // ECL ID, Time
		rows: func() (out []string) {
			for _, r := range s.Rows(id) {
				out = append(out, r[ecl]+"|"+r[when])
			}
			return out
		},
		bookmark: func() string {
			rows := s.Rows(id)
			return `"replication_key_value":"` + rows[len(rows)-1][when]
		},
		asked: func() int { return len(s.Requests()) },
		calm: func() {
			s.Change(func(b *domo.Behaviour, _ *[]*domo.Dataset) { *b = domo.Behaviour{} })
			s.Forget()
		},
		onlyNew: func(t *testing.T) {
			rows := s.Rows(id)
			if q := s.Queries(); len(q) != 1 || !strings.Contains(q[0], "`Time` >= '"+rows[len(rows)-1][when]+"'") {
				t.Errorf("a run with nothing new asks %q", q)
			}
		},
	}
}

func named(name string) func([2]string) bool {
	return func(c [2]string) bool { return c[0] == name }
}

// newXactly grows while it is read, and suffers from all that Connect may.
func newXactly(t *testing.T) *service {
	const table = "xc_credit"
	row := func(n int) []string {
		t := xactly.Tables(1, table)[0]
		t.Rows[0][0], t.Rows[0][slices.Index(t.Columns, "MODIFIED_DATE")] = fmt.Sprint(220000000000000+n*7919%100000), xactly.Date(n/5)
		return t.Rows[0]
	}
	credits, at := xactly.Tables(1, table)[0], 0
	grow := func(t *xactly.Table, rows int) {
		for range rows {
			t.Rows = append(t.Rows, row(at))
			at++
		}
	}
	credits.Rows = nil
	grow(credits, 1500)
	s := xactly.Start(xactly.Behaviour{
		PerToken: 17, Piece: 40, Every: map[int]string{11: "503", 13: "reset", 17: "429", 19: "expired", 23: "shrunk", 29: "cut", 31: "short"},
		Grow: func(t *xactly.Table) { grow(t, 7) },
	}, credits)
	t.Cleanup(s.Close)
	date := slices.Index(credits.Columns, "MODIFIED_DATE")
	last := func() string { // dates only grow
		rows := s.Rows(table)
		return strings.Trim(rows[len(rows)-1][date], `"`)
	}
	return &service{
		tap:       "tap-xactly",
		config:    fmt.Sprintf("{username: %s, password: %q, client_id: %s, consumer: %s, url_base: %q, page_size: 100, retry_pause: 0.001}", xactly.User, xactly.Password, xactly.ClientID, xactly.Consumer, s.URL),
		selected:  table,
		warehouse: "credit",
		columns:   [2]string{"credit_id", "modified_date"},
		rows: func() (out []string) {
			for _, r := range s.Rows(table) {
				out = append(out, r[0]+"|"+strings.Trim(r[date], `"`)[:len("2006-01-02T15:04:05")])
			}
			return out
		},
		bookmark: func() string { return `"replication_key_value":"` + last() + `"` },
		asked:    func() int { return len(s.Requests()) },
		calm: func() {
			s.Change(func(b *xactly.Behaviour, _ *[]*xactly.Table) { *b = xactly.Behaviour{} })
			s.Forget()
		},
		onlyNew: func(t *testing.T) {
			if q := s.Statements(); len(q) != 1 || !strings.Contains(q[0], "MODIFIED_DATE >= '"+last()+"'") || len(s.Requests()) != 3 {
				t.Errorf("a run with nothing new asks %q by %q", q, s.Requests())
			}
		},
	}
}

// newShop has pages of orders sorted by time, several with the same one.
func newShop(t *testing.T) *service {
	const total, size = 3000, 50
	var mu sync.Mutex
	var asked []string
	calm := false
	when := func(n int) string {
		return time.Date(2024, 1, 1, 0, 0, n/3, 0, time.UTC).Format(time.RFC3339)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.RawQuery)
		n, quiet := len(asked), calm
		mu.Unlock()
		switch {
		case quiet:
		case n%13 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case n%17 == 0:
			panic(http.ErrAbortHandler)
		}
		page, _ := strconv.Atoi(r.FormValue("page"))
		since := r.FormValue("since")
		var rows []string
		for id := 1; id <= total; id++ {
			if when(id) >= since {
				rows = append(rows, fmt.Sprintf(`{"id":%d,"at":"%s","total":%d.10}`, id, when(id), id))
			}
		}
		from := min((page-1)*size, len(rows))
		fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(rows[from:min(from+size, len(rows))], ","))
	}))
	t.Cleanup(server.Close)
	return &service{
		tap: "tap-rest",
		config: fmt.Sprintf(`{url_base: %q, start_date: '2024-01-01T00:00:00Z', retry_pause: 0.001, streams: [{name: orders, path: /orders, records_path: '$.data[*]',
      primary_keys: [id], replication_key: at, sorted: true, pagination: {type: page}, window: {start_param: since, format: rfc3339},
      schema: {properties: {id: {type: integer}, at: {type: string, format: date-time}, total: {type: number}}}}]}`, server.URL),
		warehouse: "orders",
		columns:   [2]string{"id", "at"},
		rows: func() (out []string) {
			for id := 1; id <= total; id++ {
				out = append(out, fmt.Sprintf("%d|%s", id, strings.TrimSuffix(when(id), "Z")))
			}
			return out
		},
		bookmark: func() string { return `"replication_key_value":"` + when(total) },
		asked:    func() int { mu.Lock(); defer mu.Unlock(); return len(asked) },
		calm:     func() { mu.Lock(); defer mu.Unlock(); asked, calm = nil, true },
		onlyNew: func(t *testing.T) {
			mu.Lock()
			defer mu.Unlock()
			for _, q := range asked {
				if !strings.Contains(q, "since="+strings.ReplaceAll(when(total), ":", "%3A")) {
					t.Errorf("a run with nothing new asks for %s", q)
				}
			}
			if len(asked) != 2 { // the newest again, and the end
				t.Errorf("a run with nothing new asks %d times", len(asked))
			}
		},
	}
}

// TestKillOverHTTP kills the runner, the tap, the target and the fused child
// of the taps over HTTP at random moments of a run that meets faults of every
// kind: the run after it leaves all rows once and the right bookmark, and the
// one after that asks for nothing but what is new.
func TestKillOverHTTP(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	victims := []struct {
		name  string
		match func(string) bool
		flags []string
	}{
		{"runner", nil, nil},
		{"fused child", has(" fuse"), nil},
		{"tap", has(" tap tap-"), []string{"--no-fuse"}},
		{"target", has(" target target-"), []string{"--no-fuse"}},
	}
	for name, open := range map[string]func(*testing.T) *service{"edcast": newEdcast, "rest": newShop, "xactly": newXactly} {
		for _, w := range warehouses() {
			skipped := rand.New(rand.NewPCG(seed, uint64(len(name+w.name)))).Perm(len(victims))[:len(victims)/2]
			for i, v := range victims {
				if rounds() < 10 && slices.Contains(skipped, i) {
					continue // the short run kills two of the four, others each time
				}
				t.Run(fmt.Sprintf("%s into %s, kill the %s", name, w.name, v.name), func(t *testing.T) {
					hash := fnv.New64a()
					hash.Write([]byte(t.Name()))
					random := rand.New(rand.NewPCG(seed, hash.Sum64()))
					whole := newTrip(t, open(t), w, v.flags)
					whole.finish(t)
					requests := max(1, whole.asked)
					for n := range (rounds() + 2) / 3 { // a round is four runs
						trip := newTrip(t, open(t), w, v.flags)
						trip.kill(t, v.match, 1+random.IntN(requests), time.Duration(random.IntN(20))*time.Millisecond)
						trip.finish(t)
						if t.Failed() {
							t.Fatalf("round %d", n)
						}
					}
				})
			}
		}
	}
}

// trip is one project over one service.
type trip struct {
	*service
	asked int // by the first complete run
	to    warehouse
	dir   string
	flags []string
	look  func(t *testing.T, s *service) []string
	said  bytes.Buffer
}

func newTrip(t *testing.T, s *service, to warehouse, flags []string) *trip {
	t.Helper()
	p := &trip{service: s, to: to, dir: t.TempDir(), flags: flags}
	loader, look := to.open(t, p.dir)
	p.look = look
	if s.selected == "" {
		s.selected = "*"
	}
	write(t, filepath.Join(p.dir, "elt.yml"), fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: %s
    config: %s
    select: ['%s.*']
  loaders:
  - name: %s
    config: %s
`, s.tap, s.config, s.selected, to.target, loader))
	return p
}

func (p *trip) command(args ...string) *exec.Cmd {
	cmd := exec.Command(elt, args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "NO_COLOR=1")
	return cmd
}

func (p *trip) run() *exec.Cmd {
	return p.command(append([]string{"run", p.tap, p.to.target}, p.flags...)...)
}

// kill starts a run and kills what matches a moment after so many requests.
func (p *trip) kill(t *testing.T, match func(string) bool, requests int, later time.Duration) {
	t.Helper()
	mark := fmt.Sprintf("ELT_CRASH_MARK=%d-%d", os.Getpid(), time.Now().UnixNano())
	run := p.run()
	run.Stdout, run.Stderr = &p.said, &p.said
	run.Env = append(run.Env, mark)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	for p.service.asked() < requests && len(ended) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(later)
	kill(run, ended, func() []process { return marked(mark, p.dir) }, match)
}

// finish wants a run without anybody's help to complete, all rows to be there
// once, and the next run to ask for what is new and for nothing else.
func (p *trip) finish(t *testing.T) {
	t.Helper()
	if out, err := p.run().CombinedOutput(); err != nil {
		t.Fatalf("the run fails: %v\n%s\nthe killed run said:\n%s", err, out, &p.said)
	}
	p.asked = p.service.asked()
	p.service.calm()
	if out, err := p.run().CombinedOutput(); err != nil { // what came while it was read
		t.Fatalf("the run after it fails: %v\n%s", err, out)
	}
	p.service.calm()
	if out, err := p.run().CombinedOutput(); err != nil {
		t.Fatalf("a run with nothing new fails: %v\n%s", err, out)
	}
	p.onlyNew(t)
	want, got := p.rows(), p.look(t, p.service)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("%d rows at the source, %d at the destination", len(want), len(got))
		for i := range want {
			if i >= len(got) || want[i] != got[i] {
				t.Errorf("the first that differs: %s", want[i])
				break
			}
		}
	}
	out, err := p.command("state", "get", "dev:"+p.tap+"-to-"+p.to.target).Output()
	var compact bytes.Buffer
	if err == nil {
		err = json.Compact(&compact, out)
	}
	if err != nil || !strings.Contains(compact.String(), p.bookmark()) {
		t.Errorf("the bookmark is %s, %v, without %s", out, err, p.bookmark())
	}
}
