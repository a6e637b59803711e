package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"elt/state"
)

// factoryMark stands before the address of a callback in the form that Azure
// Data Factory's WebHook activity waits for.
const factoryMark = "adf "

const (
	// lookForEnds is how often the store is asked for runs to tell of.
	lookForEnds = 2 * time.Second
	// callLease is how long one call may take, and another daemon waits.
	callLease = time.Minute
	callLimit = 20 * time.Second
	// calls is how often one is made before it is given up: over some 9 hours.
	calls    = 16
	lastWait = time.Hour
)

// Ended is what a callback gets.
type Ended struct {
	Event string `json:"event" enum:"run.ended"`
	Run   Run    `json:"run"`
	// LastLines are the end of the log of a run that failed.
	LastLines []string `json:"last_lines"`
}

// factory is what the WebHook activity reads: with reportStatusOnCallBack a
// StatusCode from 400 on makes it fail with Error.
type factory struct {
	Output     Ended         `json:"Output"`
	StatusCode string        `json:"StatusCode"`
	Error      *factoryError `json:"Error,omitempty"`
}

type factoryError struct {
	ErrorCode string `json:"ErrorCode"`
	Message   string `json:"Message"`
}

// callbacks tells those who asked for it that their runs have ended. What is
// to be told is in the store: a daemon that dies leaves it to the next.
func (s *Server) callbacks(ctx context.Context) {
	client := caller()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(lookForEnds)
	defer tick.Stop()
	for {
		if _, plan, err := s.Now(ctx); err == nil {
			due, err := s.Store.TakeCallbacks(ctx, plan.Project, plan.Environment, 10, callLease)
			if err != nil && ctx.Err() == nil {
				s.Log.Debug().Err(err).Msg("the store cannot be asked for callbacks")
			}
			for _, c := range due {
				s.callback(ctx, client, c)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// caller follows no redirects, and connects to no link-local address, where
// clouds keep the keys of their machines. It is checked when it is connected
// to, so that a name cannot change in between.
func caller() *http.Client {
	dialer := &net.Dialer{Timeout: callLimit, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || nobody(to.Addr()) {
			return errors.New("callbacks do not go to link-local addresses")
		}
		return nil
	}}
	return &http.Client{Timeout: callLimit, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: callLimit},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// nobody says that an address is no caller's.
func nobody(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
}

// callback makes one call and notes what came of it.
func (s *Server) callback(ctx context.Context, client *http.Client, c state.Callback) {
	result, again := "", time.Duration(0)
	status, err := s.call(ctx, client, c)
	switch {
	case ctx.Err() != nil:
		return // the lease ends, and another daemon calls
	case err != nil:
		result = err.Error()
	default:
		result = fmt.Sprint(status)
	}
	// What the other side refuses for good is not asked again.
	done := err == nil && (status < 300 || status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests)
	if !done && c.Attempt < calls {
		again = min(lastWait, 5*time.Second<<(c.Attempt-1))
	}
	event := s.Log.Info()
	if err != nil || status >= 300 {
		event = s.Log.Warn()
	}
	event.Str("run", c.Execution.ID).Int("attempt", c.Attempt).Str("result", result).Dur("again", again).Msg("the callback was called")
	if err := s.Store.EndCallback(context.WithoutCancel(ctx), c.Execution.ID, result, again); err != nil {
		s.Log.Warn().Err(err).Str("run", c.Execution.ID).Msg("the callback could not be noted; it is called again")
	}
}

func (s *Server) call(ctx context.Context, client *http.Client, c state.Callback) (int, error) {
	d, err := s.Detail(ctx, c.Execution.ID)
	if err != nil {
		return 0, err
	}
	address, adf := strings.CutPrefix(c.Execution.Callback, factoryMark)
	text, err := json.Marshal(payload(d, adf))
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("the address is none")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "elt/"+s.Version)
	r.Header.Set("Idempotency-Key", d.ID)
	res, err := client.Do(r)
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err // without the address, which may hold a key
	}
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	return res.StatusCode, nil
}

// payload tells how a run ended.
func payload(d RunDetail, adf bool) any {
	ended := Ended{"run.ended", d.Run, d.LastLines}
	if !adf {
		return ended
	}
	f := factory{Output: ended, StatusCode: "200"}
	if d.Status != state.Succeeded {
		f.StatusCode = "500"
		message := or(d.Cause, "the run is "+d.Status)
		if len(d.LastLines) > 0 {
			message += "\n" + strings.Join(d.LastLines, "\n")
		}
		f.Error = &factoryError{"elt_" + d.Status, message}
	}
	return f
}
