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
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"golang.org/x/oauth2"

	"elt/internal/fault"
)

// RefreshToken is a refresh token that may be replaced by each use. The
// newest is kept in File, on disk before anything else is done with the
// answer: a token that was replaced and lost locks its owner out. Before the
// server is asked, File says that it will be: so a file that cannot be written
// costs no token, and after a kill between the server's answer and the write,
// the one moment that no client can cover, the next run knows what happened.
type RefreshToken struct {
	Configured string // what the user set; "": a login by `--authorize` must have written File
	File       string
	Secrets    *Secrets
}

// kept is what File holds.
type kept struct {
	// Configured tells which setting the token descends from, so that a user
	// who sets a new one is not answered with an old file.
	Configured string    `json:"configured_sha256"`
	Token      string    `json:"refresh_token"`
	Asked      time.Time `json:"asked,omitzero"` // a use of Token began and its end is not known
	// Access is the access token of the last use, good until Until: some
	// servers refuse a new one before that.
	Access string    `json:"access_token,omitempty"`
	Type   string    `json:"token_type,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// exchange gives an access token: the one kept, if it is good and not the one
// refused, else what use returns for the newest refresh token. Processes take
// turns.
func (r *RefreshToken) exchange(ctx context.Context, refused *oauth2.Token, use func(old string) (*oauth2.Token, error)) (*oauth2.Token, error) {
	lock := flock.New(r.File + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, fault.Wrap(fault.BadConfig, cause(ctx, err), "the token file %s cannot be locked", r.File).WithHint("auth.token_file must lie in a folder that can be written")
	}
	defer lock.Unlock()
	k, err := r.read()
	if err != nil {
		return nil, err
	}
	r.Secrets.Add(k.Token, k.Access)
	if k.Access != "" && time.Now().Before(k.Until) && (refused == nil || refused.AccessToken != k.Access) {
		return &oauth2.Token{AccessToken: k.Access, TokenType: k.Type, Expiry: k.Until}, nil
	}
	interrupted := !k.Asked.IsZero()
	k.Asked, k.Access, k.Until = time.Now().UTC(), "", time.Time{}
	if err := r.write(k); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "the token file %s cannot be written, so the refresh token is not used", r.File).WithHint("it might be replaced, and lost")
	}
	token, err := use(k.Token)
	if err != nil {
		var status *StatusError
		if interrupted && errors.As(err, &status) && status.Status == 401 {
			return nil, fault.Wrap(fault.BadConfig, err, "the refresh token is refused, and the run that used it last was killed before it could keep the one that replaced it").
				WithKind(fault.KindAuth).WithHint("log in again (--authorize), or set auth.refresh_token to a new token")
		}
		if errors.As(err, &status) && status.Status < 500 { // the server has spoken: nothing was replaced
			k.Asked = time.Time{}
			err = errors.Join(err, r.write(k))
		}
		return nil, err
	}
	k.Asked = time.Time{}
	if token.RefreshToken != "" {
		k.Token = token.RefreshToken
	}
	k.Access, k.Type, k.Until = token.AccessToken, token.TokenType, token.Expiry
	if err := r.write(k); err != nil {
		return nil, fmt.Errorf("keep the new refresh token, which replaces the old one: %w", err)
	}
	return token, nil
}

// Keep stores a login that a person has just made.
func (r *RefreshToken) Keep(ctx context.Context, token *oauth2.Token) error {
	lock := flock.New(r.File + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fault.Wrap(fault.BadConfig, cause(ctx, err), "the token file %s cannot be locked", r.File)
	}
	defer lock.Unlock()
	return r.write(kept{Configured: r.mark(), Token: token.RefreshToken, Access: token.AccessToken, Type: token.TokenType, Until: token.Expiry})
}

// Writable says why File cannot be written.
func (r *RefreshToken) Writable() error {
	f, err := os.CreateTemp(filepath.Dir(r.File), ".elt-token-*")
	if err != nil {
		return fault.Wrap(fault.BadConfig, err, "the token file %s cannot be written", r.File)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write replaces the file; both are on disk when it returns.
func (r *RefreshToken) write(k kept) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(r.File, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(r.File))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (r *RefreshToken) mark() string {
	sum := sha256.Sum256([]byte(r.Configured))
	return hex.EncodeToString(sum[:])
}

// read is what counts: the file's token, unless the user has set another.
func (r *RefreshToken) read() (kept, error) {
	own := kept{Configured: r.mark(), Token: r.Configured}
	raw, err := os.ReadFile(r.File)
	if errors.Is(err, fs.ErrNotExist) {
		if r.Configured == "" {
			return own, fault.New(fault.BadConfig, "there is no login in %s", r.File).WithHint("run the tap once with --authorize, or set auth.refresh_token").WithKind(fault.KindAuth)
		}
		return own, nil
	}
	if err != nil {
		return own, fault.Wrap(fault.BadConfig, err, "the refresh token cannot be read")
	}
	var k kept
	if json.Unmarshal(raw, &k) != nil {
		return own, fault.New(fault.BadConfig, "the token file %s is damaged", r.File).WithHint("remove it and set auth.refresh_token to a new token, or log in again with --authorize")
	}
	if k.Configured != own.Configured && r.Configured != "" || k.Token == "" {
		return own, nil
	}
	return k, nil
}
