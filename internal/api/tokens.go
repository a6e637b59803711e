package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"elt/state"
)

// Token is a token without its secret.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scope      Scope      `json:"scope" enum:"read,run,admin"`
	Active     bool       `json:"active" doc:"Neither expired nor revoked."`
	CreatedBy  string     `json:"created_by,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To some minutes."`
}

// NewToken is a token with its secret, which nobody can see again.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"Shown once."`
}

// TokenRequest asks for a token.
type TokenRequest struct {
	Name      string     `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f]+$"`
	Scope     Scope      `json:"scope" enum:"read,run,admin"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

type tokenInput struct {
	ID string `path:"id" maxLength:"100"`
}

type expireInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		ExpiresAt *time.Time `json:"expires_at" doc:"When it ends; null: never."`
	}
}

func (s *Server) tokenRoutes() {
	route(s, ScopeAdmin, operation(http.MethodGet, "/tokens", "token.list", "tokens", "List tokens", ""), s.listTokens)
	route(s, ScopeAdmin, created(operation(http.MethodPost, "/tokens", "token.create", "tokens", "Create a token",
		"The secret is in this answer and nowhere else.")), func(ctx context.Context, in *struct{ Body TokenRequest }) (*body[NewToken], error) {
		t, err := CreateToken(ctx, s.Store, in.Body, callOf(ctx).who.name)
		if err != nil {
			return nil, err
		}
		note(ctx, t.Name, map[string]any{"scope": t.Scope, "expires_at": t.ExpiresAt})
		return answer(t), nil
	})
	route(s, ScopeAdmin, operation(http.MethodPost, "/tokens/{id}/expire", "token.expire", "tokens", "Set when a token ends", ""),
		func(ctx context.Context, in *expireInput) (*body[Token], error) {
			note(ctx, in.ID, in.Body)
			return one(tokenOf(s.Store.ExpireToken(ctx, in.ID, in.Body.ExpiresAt)))
		})
	route(s, ScopeAdmin, operation(http.MethodPost, "/tokens/{id}/revoke", "token.revoke", "tokens", "End a token and its sessions at once",
		"The name can be used again right away."), func(ctx context.Context, in *tokenInput) (*body[Token], error) {
		note(ctx, in.ID, nil)
		return one(tokenOf(s.Store.RevokeToken(ctx, in.ID)))
	})
	route(s, ScopeAdmin, operation(http.MethodGet, "/audit", "audit.list", "tokens", "Who changed what, newest first", ""), s.listAudit)
}

// CreateToken makes a token; who asks for it is noted.
func CreateToken(ctx context.Context, store state.Tokens, r TokenRequest, who string) (NewToken, error) {
	if r.ExpiresAt != nil && !r.ExpiresAt.After(time.Now()) {
		return NewToken{}, problem(http.StatusUnprocessableEntity, "invalid", "expires_at is in the past")
	}
	secret, hash := NewSecret()
	t, err := store.CreateToken(ctx, state.Token{ID: uuid.NewString(), Name: r.Name, Scope: string(r.Scope), Hash: hash, Creator: who, Expires: r.ExpiresAt})
	if errors.Is(err, state.ErrTaken) {
		return NewToken{}, problem(http.StatusConflict, "name_taken", "there is a token %q that has not been revoked", r.Name).
			hint("revoke it, or take another name")
	}
	return NewToken{tokenFrom(t), secret}, err
}

func tokenFrom(t state.Token) Token {
	return Token{t.ID, t.Name, Scope(t.Scope), !t.Over, t.Creator, t.Created, t.Expires, t.Revoked, t.Used}
}

func tokenOf(t state.Token, err error) (Token, error) { return tokenFrom(t), err }

// one is a payload as an answer.
func one[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return answer(v), nil
}

func (s *Server) listTokens(ctx context.Context, _ *struct{}) (*body[List[Token]], error) {
	all, err := s.Store.Tokens(ctx, false)
	if err != nil {
		return nil, err
	}
	var items []Token
	for _, t := range all {
		items = append(items, tokenFrom(t))
	}
	return list(items, ""), nil
}
