package load

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
)

// environ is what the runner says to a target in its environment.
type environ struct {
	needsEnd bool
	claim    *ClaimRequest // nil: nothing is claimed
	events   *os.File      // nil: nobody listens
	peer     bool          // the tap is one of ours
}

func parseEnviron(list []string) (environ, error) {
	var e environ
	for _, kv := range list {
		switch name, value, _ := strings.Cut(kv, "="); {
		case name == EnvEnd:
			e.needsEnd = value == "1"
		case name == singer.PeerEnv:
			e.peer = value == "elt"
		case name == EnvClaim && value != "":
			raw, err := os.ReadFile(value)
			if err != nil {
				return e, fmt.Errorf("read the claim: %w", err)
			}
			e.claim = &ClaimRequest{}
			if err := json.Unmarshal(raw, e.claim); err != nil || e.claim.StateID == "" {
				return e, fault.Wrap(fault.Failed, err, "%s is no claim", value)
			}
		case name == EnvEvents && value != "":
			// Statistics are a courtesy: without a reader there are none.
			e.events, _ = os.OpenFile(value, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		}
	}
	return e, nil
}

// listener is where Stats go, nil when nobody listens.
func (e environ) listener() io.Writer {
	if e.events == nil {
		return nil
	}
	return patient{e.events}
}

func (e environ) close() {
	if e.events != nil {
		e.events.Close()
	}
}

// patient gives up writing to a reader that does not read.
type patient struct{ f *os.File }

func (p patient) Write(line []byte) (int, error) {
	p.f.SetWriteDeadline(time.Now().Add(time.Second))
	return p.f.Write(line)
}
