package cmd

import (
	"context"

	"elt/internal/fault"
	"elt/state"
)

// openStore opens the state store of the project once.
func (a *app) openStore(ctx context.Context) (state.Store, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store != nil {
		return a.store, nil
	}
	return nil, fault.New(fault.StoreAway, "this build has no state store")
}

// storedSettings reads settings kept in the database, opening the store only
// when somebody asks.
type storedSettings struct{ a *app }

func (s storedSettings) SettingsIn(ctx context.Context, scope string) (map[string]string, error) {
	store, err := s.a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	return store.SettingsIn(ctx, scope)
}
