package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Stage opens a resumable upload and sends all but its last bytes: with those
// the object would appear.
func (g *gcsStore) Stage(ctx context.Context, key, token string, fresh bool, data io.ReaderAt, size int64) (*Staged, error) {
	about, err := json.Marshal(map[string]any{"metadata": map[string]string{tokenKey: token}})
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if fresh {
		query.Set("ifGenerationMatch", "0") // asked when the upload is complete, too
	}
	reply, err := g.ask(ctx, "POST", g.upload("resumable", key, query), http.Header{
		"Content-Type": {"application/json"}, "X-Upload-Content-Length": {strconv.FormatInt(size, 10)}}, about)
	if err != nil {
		return nil, g.explain(err, "write", key)
	}
	reply.Body.Close() // it is empty
	s := &Staged{Key: key, Token: token, Upload: reply.Header.Get("Location"), size: size}
	if err := g.send(ctx, s, data); err != nil {
		return nil, errors.Join(g.explain(err, "write", key), g.Cancel(context.WithoutCancel(ctx), s))
	}
	return s, nil
}

// send sends whole parts in order, and keeps the rest.
func (g *gcsStore) send(ctx context.Context, s *Staged, data io.ReaderAt) error {
	step := partSize(s.size) // a multiple of 256 KiB, as it must be
	buf := make([]byte, min(step, s.size))
	at := int64(0)
	for s.size-at > step {
		if _, err := data.ReadAt(buf, at); err != nil {
			return err
		}
		next, err := g.part(ctx, s, buf, at)
		if err != nil {
			return err
		}
		if next <= at || next > at+step {
			return fmt.Errorf("the bucket says that it has %d bytes, after %d were sent", next, at+step)
		}
		at = next
	}
	s.last = buf[:s.size-at]
	if len(s.last) == 0 {
		return nil
	}
	if _, err := data.ReadAt(s.last, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// part sends bytes in the middle of an object, and returns how many the
// bucket has.
func (g *gcsStore) part(ctx context.Context, s *Staged, data []byte, at int64) (int64, error) {
	reply, err := g.ask(ctx, "PUT", s.Upload, http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%d", at, at+int64(len(data))-1, s.size)}}, data, 308)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != 308 {
		return 0, fmt.Errorf("the upload is complete after %d of %d bytes", at, s.size)
	}
	_, last, ok := strings.Cut(reply.Header.Get("Range"), "-") // bytes=0-1048575
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(last, 10, 64)
	return n + 1, err
}

// Publish sends the last bytes. An attempt whose reply was lost is known by
// the object's token.
func (g *gcsStore) Publish(ctx context.Context, s *Staged) error {
	span := fmt.Sprintf("bytes %d-%d/%d", s.size-int64(len(s.last)), s.size-1, s.size)
	if len(s.last) == 0 {
		span = fmt.Sprintf("bytes */%d", s.size)
	}
	reply, err := g.ask(ctx, "PUT", s.Upload, http.Header{"Content-Range": {span}}, s.last)
	if err == nil {
		return reply.Body.Close()
	}
	if there, statErr := g.Stat(ctx, s.Key); statErr == nil && there.Token == s.Token {
		return nil
	}
	return g.explain(err, "complete", s.Key)
}

// Cancel ends the upload; 499 is how its end is told.
func (g *gcsStore) Cancel(ctx context.Context, s *Staged) error {
	reply, err := g.ask(ctx, "DELETE", s.Upload, nil, nil, 499, 404, 410, 400)
	if err != nil {
		return g.explain(err, "cancel the upload of", s.Key)
	}
	return reply.Body.Close()
}
