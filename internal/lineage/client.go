package lineage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Client sends events, one after another, without keeping anybody waiting.
type Client struct {
	send   func(context.Context, []byte) error
	told   func(error)
	queue  chan []byte
	done   chan struct{}
	closed sync.Once
	stop   context.CancelFunc
}

const (
	// waiting is how many events wait for a server that is slow; more are dropped.
	waiting = 100
	// tries is how often an event is sent; trying how long one try may take.
	tries  = 3
	trying = 4 * time.Second
)

// NewClient sends to address, http://HOST (to the path endpoint, api/v1/lineage
// when empty) or file:///PATH, to which lines are appended. told hears of what
// could not be sent.
func NewClient(address, endpoint, key string, told func(error)) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address for lineage is none, as http://127.0.0.1:5000 or file:///var/log/lineage.jsonl is")
	}
	c := &Client{told: told, queue: make(chan []byte, waiting), done: make(chan struct{})}
	switch {
	case u.Scheme == "file" && u.Path != "":
		c.send = func(_ context.Context, event []byte) error { return appendTo(u.Path, event) }
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		if endpoint == "" {
			endpoint = "api/v1/lineage"
		}
		to := strings.TrimRight(address, "/") + "/" + strings.TrimLeft(endpoint, "/")
		client := &http.Client{}
		c.send = func(ctx context.Context, event []byte) error { return post(ctx, client, to, key, event) }
	default:
		return nil, fmt.Errorf("the address for lineage begins with %q; it is http://… or file:///…", u.Scheme)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.work(ctx)
	return c, nil
}

// Send puts an event into the queue.
func (c *Client) Send(event []byte) {
	select {
	case c.queue <- event:
	default:
		c.told(errors.New("too many events of lineage wait; one is dropped"))
	}
}

// Close waits until all is sent, but no longer than the limit. No Send may follow.
func (c *Client) Close(limit time.Duration) {
	c.closed.Do(func() {
		close(c.queue)
		timer := time.AfterFunc(limit, c.stop)
		defer timer.Stop()
		<-c.done
		c.stop()
	})
}

func (c *Client) work(ctx context.Context) {
	defer close(c.done)
	for event := range c.queue {
		if err := c.try(ctx, event); err != nil {
			c.told(err)
		}
	}
}

func (c *Client) try(ctx context.Context, event []byte) (err error) {
	for n := range tries {
		if ctx.Err() != nil {
			return errors.Join(err, errors.New("an event of lineage was not sent in time"))
		}
		once, cancel := context.WithTimeout(ctx, trying)
		err = c.send(once, event)
		cancel()
		var refused *refusal
		if err == nil || errors.As(err, &refused) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(n+1) * 300 * time.Millisecond):
		}
	}
	return err
}

// refusal: the server does not want the event; sending it again is no use.
type refusal struct{ what string }

func (r *refusal) Error() string { return r.what }

func post(ctx context.Context, client *http.Client, to, key string, event []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(event))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("send an event of lineage: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	what := fmt.Sprintf("send an event of lineage to %s: %s %s", req.URL.Host, resp.Status, strings.TrimSpace(string(said)))
	switch resp.StatusCode / 100 {
	case 2:
		return nil
	case 4:
		if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout {
			return &refusal{what}
		}
	}
	return errors.New(what)
}

// appendTo adds a line in one write, so that lines of several runs do not mix.
func appendTo(path string, event []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write an event of lineage: %w", err)
	}
	_, err = f.Write(append(event[:len(event):len(event)], '\n'))
	return errors.Join(err, f.Close())
}
