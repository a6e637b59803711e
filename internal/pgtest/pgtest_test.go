package pgtest

import (
	"errors"
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// Another server at the port is not taken for the one that could not start.
func TestATakenPortIsNoAnswer(t *testing.T) {
	first, second := NewServer(t), NewServer(t)
	second.Stop()
	second.url, second.args[6] = first.url, first.args[6]
	if second.args[5] != "-p" {
		t.Fatalf("%q", second.args)
	}
	if err := second.launch(); !errors.Is(err, errEnded) {
		t.Errorf("%v", err)
	}
}
