package state

import (
	"context"
	"time"
)

// Incident is one thing that was found wrong, from when it was noticed until
// it was over.
type Incident struct {
	ID          string `json:"id"`
	Project     string `json:"project"`
	Environment string `json:"environment,omitempty"`
	// Key is what is wrong with what: of one key at most one incident is open.
	Key      string     `json:"key"`
	Kind     string     `json:"kind"` // "failure", "missed_slot" …: internal/notify has them
	Pipeline string     `json:"pipeline"`
	Summary  string     `json:"summary"`          // one sentence
	Detail   string     `json:"detail,omitempty"` // some lines
	Run      string     `json:"run,omitempty"`    // the execution that it is about
	Opened   time.Time  `json:"opened_at"`
	Resolved *time.Time `json:"resolved_at,omitempty"`
}

// Notice is one thing to tell one channel: that an incident was opened, or
// that it was resolved.
type Notice struct {
	Incident
	Channel  string     `json:"channel"`
	What     string     `json:"what"` // NoticeOpened, NoticeResolved
	Attempts int        `json:"attempts"`
	Due      time.Time  `json:"due_at"`
	Done     *time.Time `json:"done_at,omitempty"`
	Error    string     `json:"error,omitempty"` // of the last attempt
}

// What notices say.
const (
	NoticeOpened   = "opened"
	NoticeResolved = "resolved"
)

// Incidents is what was found wrong, and who was told. It is kept so that
// neither a restart nor a second daemon says a thing twice. Time is the
// database's.
type Incidents interface {
	// OpenIncident opens one and owes each of the channels a notice, due after
	// a delay, all in one transaction; false, and nothing changed, when one of
	// its key is open already.
	OpenIncident(ctx context.Context, i Incident, channels []string, delay time.Duration) (bool, error)
	// ResolveIncident ends an open one and owes the channels a notice of that;
	// false when it was over already.
	ResolveIncident(ctx context.Context, id string, channels []string, delay time.Duration) (bool, error)
	// Incidents lists the newest first; open: only those that are not over.
	Incidents(ctx context.Context, project, environment string, open bool, limit int) ([]Incident, error)
	// ClaimNotices gives the notices of a channel that are due, oldest first,
	// with those that would be for the first time soon, and makes them due again only after a while, in which whoever asked
	// tells them; none when the channel was told something less than quiet ago.
	ClaimNotices(ctx context.Context, project, environment, channel string, quiet, while time.Duration) ([]Notice, error)
	// NoticesDone says that claimed notices were told; with a cause they were
	// not, and are due again after a delay, or, with delay 0, given up.
	NoticesDone(ctx context.Context, channel string, told []Notice, cause string, again time.Duration) error
	// NoticesOf lists what is owed or was told of an incident.
	NoticesOf(ctx context.Context, incident string) ([]Notice, error)
	// PruneIncidents deletes those that were over before age, with what is
	// still owed of them.
	PruneIncidents(ctx context.Context, age time.Duration) error
}
