package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"elt/internal/project"
)

// Means are what channels need besides their own values.
type Means struct {
	Client *http.Client
	TLS    *tls.Config // for mail; nil: the system's authorities
	Dir    string      // in which commands run
	Env    []string    // of commands
}

// NewMeans are the usual ones.
func NewMeans(dir string, env []string) Means {
	return Means{Dir: dir, Env: env, Client: &http.Client{
		// A notice must not follow a redirect to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// NewChannel is a channel of a project, its values filled in.
func NewChannel(c project.Channel, m Means) (Channel, error) {
	switch c.Type {
	case "slack":
		return slack{c.URL, m.Client}, nil
	case "webhook":
		return webhook{c, m.Client}, nil
	case "mail":
		return newMail(c, m.TLS)
	case "command":
		return command{c.Command, m.Dir, m.Env}, nil
	}
	return nil, fmt.Errorf("channel %s is of type %q, which is unknown", c.Name, c.Type)
}

// slack is an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type slack struct {
	url    string
	client *http.Client
}

// longest is what Slack shows of one text before it cuts.
const longest = 3900

func (s slack) Tell(ctx context.Context, m Message) error {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "```", "'''")
	text := "*" + escape.Replace(m.Title()) + "*\n```" + cut(escape.Replace(m.Text()), longest) + "```"
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return err
	}
	return post(ctx, s.client, s.url, body, nil)
}

// post sends JSON; an error names neither address nor key, which are secrets.
func post(ctx context.Context, client *http.Client, to string, body []byte, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("its url is none")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "elt")
	resp, err := client.Do(req)
	if err != nil {
		var known *url.Error
		if errors.As(err, &known) {
			err = known.Err
		}
		return fmt.Errorf("post to %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("post to %s: %s %s", req.URL.Host, resp.Status, line(string(said)))
	if seconds, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && seconds > 0 {
		return &LaterError{time.Duration(seconds) * time.Second, err}
	}
	return err
}
