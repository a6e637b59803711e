package cmd

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
	"elt/state/file"
	"elt/state/meltano"
	"elt/state/postgres"
	"elt/state/sqlite"
	"elt/state/sqlstore"
)

// openStore opens the state store once: database_uri of elt's own settings,
// else the project's, else .elt/elt.db beside the project file.
func (a *app) openStore(ctx context.Context) (state.Store, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store != nil {
		return a.store, nil
	}
	s, err := a.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	a.store = s
	return s, nil
}

// openDatabase opens the database, with what Meltano keeps beside it.
func (a *app) openDatabase(ctx context.Context) (state.Store, error) {
	uri, path, err := a.storePlace(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.anyProject(ctx)
	if err != nil {
		return nil, err
	}
	log := a.Log()
	warn := func(text string) { log.Warn().Msg(text) }
	var s *sqlstore.Store
	var whole state.Store
	if path == "" {
		s, err = postgres.Open(log.WithContext(ctx), postgres.Options{URI: uri, Wait: storeWait(p)})
		whole = s
	} else if local, failed := sqlite.Open(ctx, sqlite.Options{Path: path, Warn: warn}); failed == nil {
		s, whole = local.Store, local
	} else {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	backend := p.Setting("state_backend.uri")
	switch scheme, place, _ := strings.Cut(backend, "://"); {
	case scheme == "file":
		if !filepath.IsAbs(place) {
			place = filepath.Join(p.Root, place)
		}
		return file.Wrap(whole, file.Options{
			Dir: place, LockTimeout: settingSeconds(p, "lock_timeout"), LockRetry: settingSeconds(p, "lock_retry"),
		}), nil
	case backend != "" && backend != "systemdb":
		whole.Close()
		return nil, fault.New(fault.StoreAway, "state_backend.uri: state in %s:// is not supported yet", scheme).
			WithHint("systemdb (the database) and file:// are")
	case uri != "":
		return meltano.WrapDatabase(whole, s.DB(), warn), nil
	}
	return meltano.WrapFile(whole, meltanoDatabase(p), warn), nil
}

// migrateStore brings the store to this release's schema (`elt store migrate`).
func (a *app) migrateStore(ctx context.Context) (place string, from, to int64, err error) {
	uri, path, err := a.storePlace(ctx)
	if err != nil {
		return "", 0, 0, err
	}
	if path != "" {
		return sqlite.Migrate(ctx, sqlite.Options{Path: path})
	}
	return postgres.Migrate(ctx, postgres.Options{URI: uri})
}

// meltanoDatabase is where Meltano keeps its own database unless told otherwise.
func meltanoDatabase(p *project.Project) string {
	path := filepath.Join(p.SysDir(), "meltano.db")
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(p.Root, ".meltano", "meltano.db")
	}
	return path
}

// storeWait is for how long an absent database is tried again, if Meltano's
// settings about that are set; else 0, which leaves it to the store.
func storeWait(p *project.Project) time.Duration {
	retries, _ := strconv.Atoi(p.Setting("database_max_retries"))
	seconds, _ := strconv.ParseFloat(p.Setting("database_retry_timeout"), 64)
	if retries == 0 && seconds == 0 {
		return 0
	}
	return time.Duration(float64(max(retries, 1)) * max(seconds, 1) * float64(time.Second))
}

// settingSeconds is state_backend.NAME_seconds; 0 when nothing sets it.
func settingSeconds(p *project.Project, name string) time.Duration {
	n, err := strconv.ParseFloat(p.Setting("state_backend."+name+"_seconds"), 64)
	if err != nil {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

// storePlace is the address of a Postgres store, or the path of a SQLite one.
func (a *app) storePlace(ctx context.Context) (uri, path string, err error) {
	p, err := a.anyProject(ctx)
	if err != nil {
		return "", "", err
	}
	settings, err := a.Settings()
	if err != nil {
		return "", "", err
	}
	if uri = settings.String("database_uri"); uri == "" {
		uri = p.Setting("database_uri")
	}
	scheme, rest, found := strings.Cut(uri, "://")
	switch {
	case uri == "":
		return "", filepath.Join(stateFolder(p.Root, p.SysDir()), "elt.db"), nil
	case !found:
		return "", "", fault.New(fault.StoreAway, "database_uri is no address: %s", uri).
			WithHint("postgresql://user:password@host:5432/database, or sqlite:///path/to/file.db")
	case strings.HasPrefix(scheme, "sqlite"):
		// SQLAlchemy's form: three slashes and a relative path, four and an absolute one.
		rest = strings.TrimPrefix(rest, "/")
		if rest, err = url.PathUnescape(rest); err != nil {
			return "", "", fault.Wrap(fault.StoreAway, err, "database_uri")
		}
		rest, _, _ = strings.Cut(rest, "?")
		if !filepath.IsAbs(rest) {
			rest = filepath.Join(p.Root, rest)
		}
		return "", rest, nil
	case strings.HasPrefix(scheme, "postgres"):
		if u, err := url.Parse(uri); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				a.Redactor.Add(password)
			}
		}
		return uri, "", nil
	}
	return "", "", fault.New(fault.StoreAway, "database_uri names a %s database, which cannot hold state", scheme).
		WithHint("PostgreSQL and SQLite can")
}

// stateFolder is .elt under the root, unless the folder for run files was
// moved elsewhere: a read-only project keeps nothing.
func stateFolder(root, sysDir string) string {
	switch sysDir {
	case filepath.Join(root, ".elt"), filepath.Join(root, ".meltano"):
		return filepath.Join(root, ".elt")
	}
	return sysDir
}

// storeIfAny is the store, nil when there is none yet: a look at it must not
// make one.
func (a *app) storeIfAny(ctx context.Context) (state.Store, error) {
	a.mu.Lock()
	open := a.store
	a.mu.Unlock()
	if open != nil {
		return open, nil
	}
	_, path, err := a.storePlace(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return a.openStore(ctx)
}

// storedSettings reads settings kept in the database, if there is one.
type storedSettings struct{ a *app }

func (s storedSettings) SettingsIn(ctx context.Context, scope string) (map[string]string, error) {
	store, err := s.a.storeIfAny(ctx)
	if store == nil || err != nil {
		return nil, err
	}
	return store.SettingsIn(ctx, scope)
}
