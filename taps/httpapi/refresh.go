package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"elt/internal/fault"
)

// RefreshToken is a refresh token that may be replaced by each use. The
// newest is kept in File, written before anything else is done with the
// answer: a token that was replaced and lost locks its owner out.
type RefreshToken struct {
	Configured string // what the user set
	File       string
	Secrets    *Secrets
}

type kept struct {
	// Configured tells which setting the token descends from, so that a user
	// who sets a new one is not answered with an old file.
	Configured string `json:"configured_sha256"`
	Token      string `json:"refresh_token"`
}

// exchange calls use with the newest token and keeps what use returns, if it
// is another. Processes take turns.
func (r *RefreshToken) exchange(ctx context.Context, use func(old string) (string, error)) error {
	lock := flock.New(r.File + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fault.Wrap(fault.BadConfig, cause(ctx, err), "the token file %s cannot be locked", r.File).WithHint("auth.token_file must lie in a folder that can be written")
	}
	defer lock.Unlock()
	sum := sha256.Sum256([]byte(r.Configured))
	mark := hex.EncodeToString(sum[:])
	token, err := r.read(mark)
	if err != nil {
		return err
	}
	r.Secrets.Add(token)
	next, err := use(token)
	if err != nil || next == "" || next == token {
		return err
	}
	raw, err := json.Marshal(kept{mark, next})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(r.File, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the new refresh token, which replaces the old one: %w", err)
	}
	return nil
}

func (r *RefreshToken) read(mark string) (string, error) {
	raw, err := os.ReadFile(r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return r.Configured, nil
	}
	if err != nil {
		return "", fault.Wrap(fault.BadConfig, err, "the refresh token cannot be read")
	}
	var k kept
	if json.Unmarshal(raw, &k) != nil {
		return "", fault.New(fault.BadConfig, "the token file %s is damaged", r.File).WithHint("remove it and set auth.refresh_token to a new token")
	}
	if k.Configured != mark || k.Token == "" {
		return r.Configured, nil
	}
	return k.Token, nil
}
