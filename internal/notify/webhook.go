package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"elt/internal/project"
)

// webhook posts the message as JSON, signed as standardwebhooks.com says.
type webhook struct {
	project.Channel
	client *http.Client
}

func (w webhook) Tell(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	header := http.Header{}
	for name, value := range w.Headers {
		header.Set(name, value)
	}
	if err := Sign(header, w.Secret, m.ID, time.Now(), body); err != nil {
		return err
	}
	return post(ctx, w.client, w.URL, body, header)
}

// Sign sets the headers webhook-id, webhook-timestamp and, where there is a
// secret, webhook-signature: "v1," and the base64 of HMAC-SHA256 over
// id.timestamp.body. A secret that begins with whsec_ is base64 of the key,
// any other is the key itself.
func Sign(header http.Header, secret, id string, at time.Time, body []byte) error {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", stamp)
	if secret == "" {
		return nil
	}
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf("the secret begins with whsec_ but is no base64")
		}
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}
