package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Setting implements state.Settings.
func (s *Store) Setting(ctx context.Context, scope, name string) (string, bool, error) {
	var value string
	err := s.conn(s.db).row(ctx, `select value from elt_settings where scope = $1 and name = $2`, scope, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, s.explain(err)
}

// SettingsIn implements state.Settings.
func (s *Store) SettingsIn(ctx context.Context, scope string) (map[string]string, error) {
	out := map[string]string{}
	err := s.query(ctx, func(r row) error {
		var name, value string
		err := r.Scan(&name, &value)
		out[name] = value
		return err
	}, `select name, value from elt_settings where scope = $1`, scope)
	return out, err
}

// PutSetting implements state.Settings.
func (s *Store) PutSetting(ctx context.Context, scope, name, value string) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `
insert into elt_settings (scope, name, value) values ($1, $2, $3)
on conflict (scope, name) do update set value = excluded.value`, scope, name, value)
		return err
	})
}

// DeleteSetting implements state.Settings.
func (s *Store) DeleteSetting(ctx context.Context, scope, name string) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_settings where scope = $1 and name = $2`, scope, name)
		return err
	})
}
