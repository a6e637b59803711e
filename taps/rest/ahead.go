package rest

import (
	"context"
	"sync"

	"elt/taps/httpapi"
)

// ahead asks for pages before their turn, where the answers say how many
// records there are. It only saves waiting: which page follows is decided page
// by page all the same, and one that was not foreseen is asked for then.
type ahead struct {
	pages *pages
	ctx   context.Context
	stop  context.CancelFunc
	wait  sync.WaitGroup
	on    map[int]*early // by page or offset
}

// early is an answer on its way.
type early struct {
	done chan struct{}
	res  *httpapi.Response
	err  error
}

func newAhead(ctx context.Context, p *pages) *ahead {
	ctx, stop := context.WithCancel(ctx)
	return &ahead{pages: p, ctx: ctx, stop: stop, on: map[int]*early{}}
}

// start asks for the pages behind at, as many as may be on their way.
func (a *ahead) start(at cursor, total int) error {
	pg := a.pages.src.Pagination
	step, first := 1, 1
	if pg.Type == "offset" {
		step, first = pg.Limit, 0
	}
	if pg.Start != nil {
		first = *pg.Start
	}
	for n := 1; n < a.pages.src.Concurrency; n++ {
		next := at
		next.at += n * step
		seen := next.at - first // records before it
		if pg.Type == "page" {
			seen *= pg.Limit
		}
		if seen >= total {
			return nil
		}
		if a.on[next.at] != nil {
			continue
		}
		req, err := a.pages.request(next)
		if err != nil {
			return err
		}
		e := &early{done: make(chan struct{})}
		a.on[next.at] = e
		a.wait.Go(func() {
			defer close(e.done)
			e.res, e.err = a.pages.client.Do(a.ctx, req)
		})
	}
	return nil
}

// answer is the answer to a request, which may have been sent before its turn.
func (p *pages) answer(ctx context.Context, req *httpapi.Request, at int) (*httpapi.Response, error) {
	if p.ahead == nil || p.ahead.on[at] == nil {
		return p.client.Do(ctx, req)
	}
	e := p.ahead.on[at]
	delete(p.ahead.on, at)
	<-e.done
	return e.res, e.err
}

// close gives up what nobody has asked for.
func (a *ahead) close() {
	a.stop()
	a.wait.Wait()
	for _, e := range a.on {
		if e.res != nil {
			e.res.Close()
		}
	}
}
