package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"elt/state"
)

const selectToken = `select t.token_id, t.name, t.scope, t.hash, t.parent, t.session, t.created_by, t.created_at, t.expires_at, t.revoked_at,
  t.last_used_at, p.expires_at, p.revoked_at
from elt_tokens t left join elt_tokens p on p.token_id = t.parent and t.parent <> '' `

// scanToken reads a token; now says whether it is over.
func scanToken(r row, now time.Time) (state.Token, error) {
	var t state.Token
	var expires, revoked, used, parentExpires, parentRevoked sql.NullTime
	err := r.Scan(&t.ID, &t.Name, &t.Scope, &t.Hash, &t.Parent, &t.Session, &t.Creator, &t.Created, &expires, &revoked, &used, &parentExpires, &parentRevoked)
	t.Created, t.Expires, t.Revoked, t.Used = t.Created.UTC(), utc(expires), utc(revoked), utc(used)
	past := func(at sql.NullTime) bool { return at.Valid && !at.Time.After(now) }
	t.Over = past(expires) || past(parentExpires) || revoked.Valid || parentRevoked.Valid
	return t, err
}

// CreateToken implements state.Tokens.
func (s *Store) CreateToken(ctx context.Context, t state.Token) (got state.Token, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		ok, err := changed(tx.exec(ctx, `
insert into elt_tokens (token_id, name, scope, hash, parent, session, created_by, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing`,
			t.ID, t.Name, t.Scope, t.Hash, t.Parent, t.Session, t.Creator, now, instant(t.Expires)))
		if err == nil && !ok {
			return state.ErrTaken
		}
		if err != nil {
			return err
		}
		got, err = tokenIn(ctx, tx, t.ID, now)
		return err
	})
	return got, err
}

// instant is a time as a column takes it; nil is NULL.
func instant(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Truncate(time.Microsecond)
}

func tokenIn(ctx context.Context, tx conn, id string, now time.Time) (state.Token, error) {
	t, err := scanToken(tx.row(ctx, selectToken+`where t.token_id = $1`, id), now)
	if errors.Is(err, sql.ErrNoRows) {
		err = state.ErrNotFound
	}
	return t, err
}

// TokenOf implements state.Tokens.
func (s *Store) TokenOf(ctx context.Context, hash string) (t state.Token, err error) {
	err = s.read(ctx, func(tx conn, now time.Time) error {
		t, err = scanToken(tx.row(ctx, selectToken+`where t.hash = $1`, hash), now)
		if errors.Is(err, sql.ErrNoRows) {
			err = state.ErrNotFound
		}
		return err
	})
	return t, err
}

// Tokens implements state.Tokens.
func (s *Store) Tokens(ctx context.Context, sessions bool) (list []state.Token, err error) {
	err = s.read(ctx, func(tx conn, now time.Time) error {
		list = nil
		return each(ctx, tx, func(r row) error {
			t, err := scanToken(r, now)
			list = append(list, t)
			return err
		}, selectToken+`where t.session = $1 order by t.created_at desc, t.token_id desc`, sessions)
	})
	return list, err
}

// ExpireToken implements state.Tokens.
func (s *Store) ExpireToken(ctx context.Context, id string, at *time.Time) (state.Token, error) {
	return s.changeToken(ctx, id, `update elt_tokens set expires_at = $2 where token_id = $1`, func(time.Time) any { return instant(at) })
}

// RevokeToken implements state.Tokens; the first revocation counts.
func (s *Store) RevokeToken(ctx context.Context, id string) (state.Token, error) {
	return s.changeToken(ctx, id, `update elt_tokens set revoked_at = coalesce(revoked_at, $2) where token_id = $1`, func(now time.Time) any { return now })
}

func (s *Store) changeToken(ctx context.Context, id, statement string, value func(now time.Time) any) (t state.Token, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if _, err := tx.exec(ctx, statement, id, value(now)); err != nil {
			return err
		}
		t, err = tokenIn(ctx, tx, id, now)
		return err
	})
	return t, err
}

// UseToken implements state.Tokens.
func (s *Store) UseToken(ctx context.Context, id string, every time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `update elt_tokens set last_used_at = $2 where token_id = $1 and (last_used_at is null or last_used_at < $3)`,
			id, now, now.Add(-every))
		return err
	})
}

// PruneTokens implements state.Tokens.
func (s *Store) PruneTokens(ctx context.Context, after time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `
delete from elt_tokens where session and (expires_at < $1 or revoked_at is not null or parent in
    (select p.token_id from elt_tokens p where p.revoked_at is not null or p.expires_at < $1))
  or expires_at < $2 or revoked_at < $2`, now, now.Add(-after))
		return err
	})
}
