package rest

import (
	"context"
	"sync"
)

// child is the requests for one parent, on their way.
type child struct {
	more  []byte
	pages chan arrived
	err   error // when pages is closed
}

// arrived is a page that waits until it was read.
type arrived struct {
	pg     *page
	number int
	read   chan outcome
}

type outcome struct {
	records int
	err     error
}

// together reads a slice of several parents at the same time. Each has one
// page on its way at most, and pages are read in the order of the parents, so
// that rows and positions come as if they were asked for one by one.
func (r *reader) together(ctx context.Context, s slice) (err error) {
	inner, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	children := make(chan *child, r.src.Concurrency)
	slots := make(chan struct{}, r.src.Concurrency)
	var above error // of the parents
	wait.Go(func() {
		defer close(children)
		above = r.contexts(inner, r.src, func(vars variables, more []byte) error {
			select {
			case slots <- struct{}{}:
			case <-inner.Done():
				return context.Cause(inner)
			}
			c := &child{more: more, pages: make(chan arrived)}
			wait.Go(func() { c.fetch(inner, r.pages(vars, s)) })
			children <- c // there is room for each that has a slot
			return nil
		})
	})
	defer func() { stop(); wait.Wait() }()
	for c := range children {
		visit := r.page(s, c.more)
		for a := range c.pages {
			n, err := visit(ctx, a.pg, a.number)
			a.read <- outcome{n, err}
		}
		if err := r.parent(ctx, r.judged(s, c.err)); err != nil {
			return err
		}
		<-slots
	}
	return above
}

// fetch hands over the pages of one parent.
func (c *child) fetch(ctx context.Context, p *pages) {
	defer close(c.pages)
	c.err = p.each(ctx, func(ctx context.Context, pg *page, number int) (int, error) {
		a := arrived{pg, number, make(chan outcome, 1)}
		select {
		case c.pages <- a:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		select {
		case o := <-a.read:
			return o.records, o.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}
