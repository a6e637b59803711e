package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"elt/internal/singer"
	"elt/state"
)

// edit changes a bookmark if nobody has since the asker saw it.
func (s *Server) edit(ctx context.Context, in EditPath, op string, completed, partial json.RawMessage) (*bookmarkOutput, error) {
	var err error
	switch match := strings.TrimSpace(in.Match); {
	case match == "":
		return nil, problem(http.StatusPreconditionRequired, "if_match", "a change of a bookmark needs the header If-Match").
			hint("send the ETag of GET %s/bookmarks/%s, so that nobody's change is lost", Base, in.ID)
	case match == "*":
		err = s.Store.EditBookmark(ctx, in.ID, op, completed, partial)
	default:
		edit, bad := strconv.ParseInt(strings.Trim(strings.TrimPrefix(match, "W/"), `"`), 10, 64)
		if bad != nil {
			return nil, problem(http.StatusPreconditionFailed, "edited", "If-Match %s is no ETag of a bookmark", match)
		}
		err = s.Store.EditBookmarkAt(ctx, in.ID, op, completed, partial, edit)
	}
	if errors.Is(err, state.ErrEdited) {
		return nil, problem(http.StatusPreconditionFailed, "edited", "the bookmark of %s was changed meanwhile", in.ID).
			hint("look at it again, and decide anew")
	}
	if err != nil {
		return nil, err
	}
	note(ctx, in.ID, map[string]any{"op": op, "state": completed})
	out, err := s.bookmark(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out.Body.Warning, err = s.busy(ctx, in.ID)
	return out, err
}

// busy warns of a run under way, which will replace what is changed now.
func (s *Server) busy(ctx context.Context, id string) (string, error) {
	runs, err := s.Store.Runs(ctx, id, 1)
	if err != nil || len(runs) == 0 || runs[0].Status != state.Running || time.Since(runs[0].Heartbeat) > time.Minute {
		return "", err
	}
	return "run " + runs[0].ID + " is under way and will replace this with its next bookmark", nil
}

func (s *Server) setBookmark(ctx context.Context, in *setInput) (*bookmarkOutput, error) {
	note(ctx, in.ID, nil)
	value := in.Body.State
	if unwrapped, err := singer.UnwrapState(value); err == nil {
		value = unwrapped
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil || object == nil {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "this is no state").hint(`a state is an object: {"bookmarks": {…}}; POST …/clear empties one`)
	}
	return s.edit(ctx, in.EditPath, "set", value, nil)
}

func (s *Server) clearBookmark(ctx context.Context, in *EditPath) (*bookmarkOutput, error) {
	note(ctx, in.ID, nil)
	return s.edit(ctx, *in, "clear", nil, nil)
}

func (s *Server) rollback(ctx context.Context, in *rollbackInput) (*bookmarkOutput, error) {
	note(ctx, in.ID, nil)
	var to state.Revision
	var err error
	if in.Body != nil && in.Body.To != 0 {
		to, err = s.revision(ctx, in.ID, in.Body.To)
	} else {
		var newest []state.Revision
		if newest, err = s.Store.History(ctx, in.ID, 2); err == nil && len(newest) < 2 {
			err = problem(http.StatusConflict, "no_earlier", "state id %q has no earlier revision", in.ID).hint("clear makes its next run load everything")
		} else if err == nil {
			to = newest[1]
		}
	}
	if err != nil {
		return nil, err
	}
	return s.edit(ctx, in.EditPath, "rollback", to.Completed, to.Partial)
}
