package executortest

import (
	"context"
	"time"

	"elt/state"
)

func (c *cut) Take(ctx context.Context, f state.From) (state.Execution, error) {
	if err := c.err(); err != nil {
		return state.Execution{}, err
	}
	return c.Store.Take(ctx, f)
}

func (c *cut) Keep(ctx context.Context, id, worker string) (state.Execution, error) {
	if err := c.err(); err != nil {
		return state.Execution{}, err
	}
	return c.Store.Keep(ctx, id, worker)
}

func (c *cut) End(ctx context.Context, e state.Execution, next ...state.Execution) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Store.End(ctx, e, next...)
}

func (c *cut) HandBack(ctx context.Context, id, worker string) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Store.HandBack(ctx, id, worker)
}

func (c *cut) Lose(ctx context.Context, project, environment string, silent time.Duration, next func(state.Execution) []state.Execution) ([]state.Execution, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.Store.Lose(ctx, project, environment, silent, next)
}

func (c *cut) TakeOver(ctx context.Context, worker, project, environment string, silent time.Duration) (state.Execution, error) {
	if err := c.err(); err != nil {
		return state.Execution{}, err
	}
	return c.Store.TakeOver(ctx, worker, project, environment, silent)
}

func (c *cut) Executions(ctx context.Context, w state.Which) ([]state.Execution, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.Store.Executions(ctx, w)
}
