package state

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrTaken: there is a token of that name that has not been revoked.
var ErrTaken = errors.New("the name is taken")

// Token lets whoever has its secret use the API. Of the secret the store keeps
// the SHA-256 only.
type Token struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Scope string `json:"scope"` // "read", "run", "admin"
	Hash  string `json:"-"`     // of the secret, hexadecimal
	// Parent is the token that a browser's session stands for, and whose end is
	// also its own; Session says that it is one.
	Parent  string     `json:"parent,omitempty"`
	Session bool       `json:"session,omitempty"`
	Creator string     `json:"created_by,omitempty"`
	Created time.Time  `json:"created_at"`
	Expires *time.Time `json:"expires_at,omitempty"`
	Revoked *time.Time `json:"revoked_at,omitempty"`
	// Used is when it was last used, to some minutes.
	Used *time.Time `json:"last_used_at,omitempty"`
	// Over: it has expired or was revoked, or its parent has or was, by the
	// database's time.
	Over bool `json:"over"`
}

// Tokens are the API's keys. Time is the database's.
type Tokens interface {
	// CreateToken stores a token; ErrTaken where an unrevoked one, no session,
	// has the name. A name is free again as soon as its token is revoked.
	CreateToken(ctx context.Context, t Token) (Token, error)
	// TokenOf is the token of a secret's hash, over or not; ErrNotFound.
	TokenOf(ctx context.Context, hash string) (Token, error)
	// Tokens lists them, newest first; of sessions only where asked for.
	Tokens(ctx context.Context, sessions bool) ([]Token, error)
	// ExpireToken sets when a token ends (nil: never); ErrNotFound.
	ExpireToken(ctx context.Context, id string, at *time.Time) (Token, error)
	// RevokeToken ends a token and its sessions at once and for good; ErrNotFound.
	RevokeToken(ctx context.Context, id string) (Token, error)
	// UseToken notes that a token was used, if the last note is older than a time.
	UseToken(ctx context.Context, id string, every time.Duration) error
	// PruneTokens forgets sessions that are over, and other tokens some time after.
	PruneTokens(ctx context.Context, after time.Duration) error
}

// Deed is one entry of the audit: what somebody did, or was refused.
type Deed struct {
	ID     int64           `json:"id"`
	At     time.Time       `json:"at"`
	Who    string          `json:"who"`                // name of the token, or user and machine
	Token  string          `json:"token_id,omitempty"` // its id
	From   string          `json:"from,omitempty"`     // network address
	What   string          `json:"action"`             // "run.start", "token.create"
	Object string          `json:"object,omitempty"`   // what it was done to
	Trace  string          `json:"trace_id,omitempty"`
	Result int             `json:"status"` // HTTP status
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Audit is the list of deeds; nothing changes an entry.
type Audit interface {
	AddDeed(ctx context.Context, d Deed) error
	// Deeds lists the newest first; before 0 is all, else those older than that id.
	Deeds(ctx context.Context, before int64, limit int) ([]Deed, error)
	// PruneDeeds deletes those older than age, and the notes about callbacks of
	// executions that are gone.
	PruneDeeds(ctx context.Context, age time.Duration) error
}

// Callback is an execution that has ended, whose asker is to be told.
type Callback struct {
	Execution Execution
	Attempt   int // from 1
}

// Callbacks are the calls that executions asked for by Execution.Callback.
type Callbacks interface {
	// TakeCallbacks gives calls that are due, and keeps them from others for a
	// time, after which they are due again.
	TakeCallbacks(ctx context.Context, project, environment string, limit int, lease time.Duration) ([]Callback, error)
	// EndCallback says that a call was answered or given up (again 0), or is
	// to be repeated after a time.
	EndCallback(ctx context.Context, execution, result string, again time.Duration) error
}
