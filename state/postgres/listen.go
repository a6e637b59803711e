package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	channel = "elt_queue"
	// listenAgain is the pause before a lost connection is made anew.
	listenAgain = time.Second
	// listenCheck is how long a silent connection is believed in.
	listenCheck = 30 * time.Second
	// listenAnswer is how long a server may take to say that it is there.
	listenAnswer = 10 * time.Second
)

// listener hears of executions on a connection of its own. Behind a pooler
// that gives connections per transaction it hears nothing, and does no harm.
func listener(cfg *pgx.ConnConfig) func(context.Context, func()) {
	return func(ctx context.Context, wake func()) {
		for ctx.Err() == nil {
			listen(ctx, cfg, wake)
			select {
			case <-ctx.Done():
			case <-time.After(listenAgain):
			}
		}
	}
}

// listen listens until its connection is lost or the context ends.
func listen(ctx context.Context, cfg *pgx.ConnConfig, wake func()) {
	try, cancel := context.WithTimeout(ctx, listenAnswer)
	defer cancel()
	conn, err := pgx.ConnectConfig(try, cfg.Copy())
	if err != nil {
		return
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(end)
	}()
	if _, err := conn.Exec(try, "listen "+channel); err != nil {
		return
	}
	wake() // for what came while nobody listened
	for {
		quiet, cancel := context.WithTimeout(ctx, listenCheck)
		_, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			wake()
		case ctx.Err() != nil:
			return
		case quiet.Err() == nil:
			return // the connection is lost
		default:
			ping, cancel := context.WithTimeout(ctx, listenAnswer)
			err := conn.Ping(ping)
			cancel()
			if err != nil {
				return
			}
		}
	}
}
