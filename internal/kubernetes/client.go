package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"elt/internal/fault"
)

// Client is a client of one namespace.
type Client struct {
	cluster   Cluster
	namespace string
	http      *http.Client
}

// NewClient is a client; namespace "" is the cluster's own, or "default".
func NewClient(c Cluster, namespace string) *Client {
	if namespace == "" {
		namespace = c.Namespace
	}
	if namespace == "" {
		namespace = "default"
	}
	return &Client{cluster: c, namespace: namespace, http: c.client()}
}

// refusal is an answer of the API other than success.
type refusal struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (r *refusal) Error() string {
	return fmt.Sprintf("Kubernetes answers %d %s: %s", r.Code, r.Reason, r.Message)
}

// is says that an error is an answer with this status code.
func is(err error, code int) bool {
	var r *refusal
	return errors.As(err, &r) && r.Code == code
}

// passing says that an error may be gone when it is tried again: the server
// is away, restarts, or has too much to do.
func passing(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.Code == http.StatusTooManyRequests || r.Code >= 500 || r.Code == http.StatusRequestTimeout
	}
	return err != nil && !errors.Is(err, context.Canceled)
}

// explain gives a lasting refusal a hint.
func (c *Client) explain(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	e := fault.New(fault.Failed, "%s", r.Error())
	switch r.Code {
	case http.StatusUnauthorized:
		e = e.WithHint("the token or certificate is not (or no longer) accepted")
	case http.StatusForbidden:
		e = e.WithHint("the daemon's service account needs in namespace %s: jobs create, get, list, watch, delete; pods get, list, watch; pods/log get", c.namespace)
	case http.StatusNotFound:
		e = e.WithHint("is there a namespace %s? kubectl get namespaces", c.namespace)
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		e = e.WithHint("look at elt's settings kubernetes_* and the pod template")
	}
	return e
}

const (
	jobs = "apis/batch/v1"
	core = "api/v1"
)

// answerTime is how long one whole answer may take.
const answerTime = 30 * time.Second

// call makes a request whose answer is read whole into out.
func (c *Client) call(ctx context.Context, method, group, resource string, query url.Values, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r, err := c.open(ctx, method, group, resource, query, body)
	if err != nil {
		return err
	}
	defer r.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, r)
		return err
	}
	return json.NewDecoder(r).Decode(out)
}

// open makes a request and gives the answer's body to follow.
func (c *Client) open(ctx context.Context, method, group, resource string, query url.Values, body any) (io.ReadCloser, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(b)
	}
	address := fmt.Sprintf("%s/%s/namespaces/%s/%s", c.cluster.Server, group, url.PathEscape(c.namespace), resource)
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, text)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "elt")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.cluster.Token != nil {
		token, err := c.cluster.Token()
		if err != nil {
			return nil, fmt.Errorf("read the token for Kubernetes: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Kubernetes: %w", err)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	r := &refusal{}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if json.Unmarshal(said, r) != nil || r.Message == "" {
		r.Message = string(said[:min(len(said), 200)])
	}
	if r.Code = answer.StatusCode; r.Reason == "" {
		r.Reason = http.StatusText(r.Code)
	}
	return nil, r
}
