package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestRenderShowsTheHintOfTheCause(t *testing.T) {
	cause := New(StoreAway, "the disk is full").WithHint("make room")
	for err, want := range map[error]string{
		Wrap(Failed, fmt.Errorf("write: %w", cause), "cannot go on"):                   "cannot go on: write: the disk is full\nhint: make room",
		Wrap(Failed, cause, "cannot go on").WithHint("call the operator"):              "cannot go on: the disk is full\nhint: call the operator",
		fmt.Errorf("at last: %w", Wrap(Failed, errors.New("nothing"), "cannot go on")): "at last: cannot go on: nothing",
	} {
		if got := Render(err); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}
