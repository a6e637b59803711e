package load

import (
	"encoding/json"
	"fmt"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/singer"
	"elt/targets"
)

// The runner and a built-in target talk through the environment and the
// target's first line on stdout. Under a foreign runner none of these is set.
const (
	// EnvEnd is "1" when the runner says {"type":"ELT_END"} at the end of a
	// complete input; end of file without it is then a broken run.
	EnvEnd = "ELT_RUN_END"
	// EnvClaim names a file (0600, JSON) with a ClaimRequest.
	EnvClaim = "ELT_RUN_CLAIM"
	// EnvEvents names a pipe (a FIFO in the run's folder, read until the
	// process has ended) that takes Stats as JSON lines.
	EnvEvents = "ELT_RUN_EVENTS"
)

// The environment variable singer.PeerEnv tells a target that the messages are
// those of one of our own taps.

// ClaimRequest is what the runner knows of a state id before a run.
type ClaimRequest struct {
	StateID   string          `json:"state_id"`
	RunID     string          `json:"run_id"`
	Epoch     int64           `json:"epoch"`
	Edit      int64           `json:"edit"`
	Bookmarks json.RawMessage `json:"bookmarks,omitempty"`
	// HadDestination: an earlier claim's reply had Kept set, so the
	// destination must have a row for this state id.
	HadDestination bool `json:"had_destination"`
	// Kept is what the target's last run said it left (KeptLine), when that run
	// succeeded and none has started since; a targets.Keeper need not ask then.
	Kept string `json:"kept,omitempty"`
	// TrustState accepts a destination that lost its row, FullRefresh starts
	// over with Bookmarks (which the runner has emptied, at a higher Edit).
	TrustState  bool `json:"trust_state,omitempty"`
	FullRefresh bool `json:"full_refresh,omitempty"`
	// Windowed runs never activate a version, swap or hard-delete (invariant 9).
	Windowed bool `json:"windowed,omitempty"`
	// Whole: a windowed run starts from its window's beginning, whatever an
	// earlier attempt has loaded. AllowAppend lets it append rows without a key.
	Whole       bool `json:"whole,omitempty"`
	AllowAppend bool `json:"allow_append,omitempty"`
	// NoUpdate runs leave the bookmark where it is: their rows are committed
	// without positions. Start, if set, is where this run alone begins, {} for
	// the beginning of everything; else it is the bookmark that counts.
	NoUpdate bool            `json:"no_update,omitempty"`
	Start    json.RawMessage `json:"start,omitempty"`
	// Limits are kept by a fused pair; between two processes the runner keeps
	// them. A preview (PerStream) is told of in both cases.
	Limits limit.Limits `json:"limits,omitzero"`
}

// TypeClaim is ClaimReply.Type.
const TypeClaim = "ELT_CLAIM"

// ClaimReply is the first line on stdout of a target that was asked to claim.
// The tap starts from Bookmarks, and only after the runner adopted Epoch.
type ClaimReply struct {
	Type      string          `json:"type"`
	StateID   string          `json:"state_id"`
	Epoch     int64           `json:"epoch"`
	Edit      int64           `json:"edit"`
	Bookmarks json.RawMessage `json:"bookmarks"` // null: none
	Source    Source          `json:"source"`
	Note      string          `json:"note,omitempty"` // said aloud when not empty
	Kept      bool            `json:"kept"`           // the destination keeps positions with the rows
	// Late: what the destination keeps comes with its first rows; a KeptLine
	// at the end tells whether it did.
	Late bool `json:"late,omitempty"`
	// Lanes is how many streams are loaded at the same time: a tap of ours in
	// another process has no more open (singer.LanesEnv).
	Lanes int `json:"lanes"`
}

// KeptLine begins a line on stdout by which a target says at the end of a
// complete run what it left at the destination; the rest of the line is for
// ClaimRequest.Kept of the next run.
const KeptLine = "ELT_KEPT "

// Source says whose bookmarks count.
type Source string

const (
	FromStore       Source = "store"
	FromDestination Source = "destination"
	FromNone        Source = "none" // there is no bookmark
)

// Decision is what a claim means for the run.
type Decision struct {
	Bookmarks singer.Bookmarks
	Source    Source
	Note      string
}

// decideOnce is for a run that alone begins at Start. The bookmark is what it
// was, but this counts as an edit: what an earlier run left unpublished is not
// this run's to go on with.
func decideOnce(req ClaimRequest, found targets.Fence, over bool) (targets.Fence, Decision, error) {
	req.TrustState, req.FullRefresh = true, false
	fence, _, err := Decide(req, found)
	if err != nil {
		return fence, Decision{}, err
	}
	if found.Found {
		fence.Edit++
	}
	d := Decision{Bookmarks: singer.NewBookmarks(req.Start), Source: FromStore}
	if over || d.Bookmarks.IsZero() {
		d = Decision{Source: FromNone}
	}
	return fence, d, nil
}

// decideOver is Decide for a target that overwrites: a stream that went on from
// a bookmark would replace its table by the rest of itself, so the tap is given
// none. What the destination keeps of the old rows stays until they go; one
// that keeps nothing has lost nothing.
func decideOver(req ClaimRequest, found targets.Fence) (targets.Fence, Decision, error) {
	if !found.Found {
		req.Bookmarks, req.FullRefresh = nil, true
	}
	fence, d, err := Decide(req, found)
	if err != nil || d.Bookmarks.IsZero() {
		return fence, d, err
	}
	return fence, Decision{Source: FromNone, Note: "the target overwrites, so every stream starts from its beginning; the last run's bookmark is not used"}, nil
}

// Decide settles which bookmarks count (invariant 3). It is a pure function
// of what the store (req) and the destination (found) know; the Fence it
// returns is what the destination must now hold.
func Decide(req ClaimRequest, found targets.Fence) (targets.Fence, Decision, error) {
	store := singer.NewBookmarks(req.Bookmarks)
	take := func(b singer.Bookmarks, from Source, note string) (targets.Fence, Decision, error) {
		if b.IsZero() {
			from = FromNone
		}
		fence := targets.Fence{
			Found:     true,
			Epoch:     max(found.Epoch, req.Epoch) + 1,
			Edit:      max(found.Edit, req.Edit),
			Bookmarks: b,
		}
		return fence, Decision{Bookmarks: b, Source: from, Note: note}, nil
	}
	switch {
	case found.Keepless || found.Unasked || req.FullRefresh:
		return take(store, FromStore, "")
	case !found.Found && req.HadDestination && !store.IsZero() && store.SkipsNothing():
		return take(store, FromStore, "the destination lost what it kept of this state id; no stream had a position there, so all rows come again")
	case !found.Found && req.HadDestination && !req.TrustState:
		return targets.Fence{}, Decision{}, fault.New(fault.Failed,
			"state id %q: the destination has lost the position that it kept with the rows", req.StateID).
			WithHint("was it replaced by an empty one? --full-refresh loads everything again; --trust-state goes on from the store's bookmark, without the rows before it")
	case !found.Found && req.HadDestination:
		return take(store, FromStore, "the destination has no position of this state id; going on from the store's, as --trust-state asks")
	case !found.Found:
		return take(store, FromStore, "")
	case req.Edit > found.Edit:
		return take(store, FromStore, "")
	case found.Gone != "" && !found.Bookmarks.IsZero() && !found.Bookmarks.SkipsNothing() && !req.TrustState:
		return targets.Fence{}, Decision{}, fault.New(fault.Failed, "state id %q: %s is gone, with rows that the bookmark counts as loaded", req.StateID, found.Gone).
			WithHint("was it deleted? --full-refresh loads everything again; --trust-state goes on from the bookmark, without the rows before it, as after moving it away on purpose")
	case req.Edit < found.Edit:
		return take(found.Bookmarks, FromDestination, fmt.Sprintf(
			"the destination knows of a later edit (%d) than the store (%d), so the store was lost or is an old copy; going on from the destination's position", found.Edit, req.Edit))
	}
	note := ""
	if found.Gone != "" {
		note = found.Gone + " is gone; going on from the bookmark, without the rows before it"
	}
	if !singer.EqualJSON(store.Raw(), found.Bookmarks.Raw()) {
		note = "the destination's position differs from the store's (a run died between commit and acknowledgement, or the destination was restored); going on from the destination's"
	}
	return take(found.Bookmarks, FromDestination, note)
}
