package httpapi

import (
	"context"
	"net/http"
)

// Auth adds credentials to requests. It is safe for concurrent use.
type Auth interface {
	Apply(ctx context.Context, req *http.Request) error
	// Renew is told of a request that Apply dressed and that was answered
	// 401; true: another attempt may succeed.
	Renew(ctx context.Context, refused *http.Request) (bool, error)
}

// Basic is a user and a password.
func Basic(user, password string) Auth {
	return fixed(func(r *http.Request) { r.SetBasicAuth(user, password) })
}

// Header is a fixed header, such as a bearer token or an API key.
func Header(name, value string) Auth {
	return fixed(func(r *http.Request) { r.Header.Set(name, value) })
}

// Query is a fixed query parameter.
func Query(name, value string) Auth {
	return fixed(func(r *http.Request) {
		q := r.URL.Query()
		q.Set(name, value)
		r.URL.RawQuery = q.Encode()
	})
}

// All applies several.
func All(list ...Auth) Auth {
	return fixed(func(r *http.Request) {
		for _, a := range list {
			_ = a.Apply(r.Context(), r) // fixed ones never fail
		}
	})
}

type fixed func(*http.Request)

func (f fixed) Apply(_ context.Context, r *http.Request) error     { f(r); return nil }
func (f fixed) Renew(context.Context, *http.Request) (bool, error) { return false, nil }
