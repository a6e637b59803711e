package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// object is what we read of Jobs and pods.
type object struct {
	Metadata struct {
		Name            string            `json:"name"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
		Deleted         *time.Time        `json:"deletionTimestamp"`
		Created         time.Time         `json:"creationTimestamp"`
	} `json:"metadata"`
	Spec   map[string]any `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		Reason     string      `json:"reason"`
		Message    string      `json:"message"`
		Conditions []condition `json:"conditions"`
		Containers []struct {
			Name  string         `json:"name"`
			State containerState `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type containerState struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Running    *struct{} `json:"running"`
	Terminated *struct {
		ExitCode int    `json:"exitCode"`
		Reason   string `json:"reason"`
		Message  string `json:"message"`
	} `json:"terminated"`
}

// condition is one of the object's conditions that is true.
func (o object) condition(kind string) (condition, bool) {
	for _, c := range o.Status.Conditions {
		if c.Type == kind && c.Status == "True" {
			return c, true
		}
	}
	return condition{}, false
}

type list struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Items []object `json:"items"`
}

// watchTime is how long one watch lasts; then objects are listed anew.
const watchTime = time.Minute

// errEnough ends a watch.
var errEnough = errors.New("seen enough")

// watch gives see each object as it is and whenever it changes, gone says that
// it was deleted; none is said after each list without objects. It goes on
// over lost connections, versions that are too old and servers that are away,
// until see or the context ends it.
func (c *Client) watch(ctx context.Context, group, resource string, which url.Values, see func(o object, gone bool) error, none func() error) error {
	for pause := pauses(); ; pause.wait(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var l list
		err := c.call(ctx, http.MethodGet, group, resource, which, nil, &l)
		if err != nil && !passing(err) {
			return c.explain(err)
		}
		if err != nil {
			continue
		}
		if len(l.Items) == 0 {
			if err := none(); err != nil {
				return err
			}
		}
		for _, o := range l.Items {
			if err := see(o, false); err != nil {
				return err
			}
		}
		pause.reset()
		if err := c.follow(ctx, group, resource, which, l.Metadata.ResourceVersion, see); err != nil {
			return err
		}
	}
}

// follow sees what changes after a version, until the stream ends; nil means
// that objects must be listed anew.
func (c *Client) follow(ctx context.Context, group, resource string, which url.Values, version string, see func(o object, gone bool) error) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime+answerTime)
	defer cancel()
	query := url.Values{"watch": {"1"}, "resourceVersion": {version}, "timeoutSeconds": {"60"}, "allowWatchBookmarks": {"true"}}
	for key, v := range which {
		query[key] = v
	}
	body, err := c.open(ctx, http.MethodGet, group, resource, query, nil)
	if err != nil {
		if passing(err) || is(err, http.StatusGone) || ctx.Err() != nil {
			return nil
		}
		return c.explain(err)
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var event struct {
			Type   string `json:"type"`
			Object object `json:"object"`
		}
		if err := d.Decode(&event); err != nil {
			return nil // ended, or broken
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			err = see(event.Object, false)
		case "DELETED":
			err = see(event.Object, true)
		case "ERROR": // 410 Gone: the version is too old
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pacing waits longer and longer.
type pacing struct{ next time.Duration }

const shortestPause, longestPause = 100 * time.Millisecond, 5 * time.Second

func pauses() *pacing { return &pacing{shortestPause} }

func (p *pacing) reset() { p.next = shortestPause }

func (p *pacing) wait(ctx context.Context) {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	p.next = min(2*p.next, longestPause)
}
