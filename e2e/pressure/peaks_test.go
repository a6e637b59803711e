package pressure

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// peaks are the highest memory (VmHWM, in MB) of a process and all below it,
// by their command lines.
type peaks struct {
	mu   sync.Mutex
	seen map[string]float64
	quit chan struct{}
	done chan struct{}
}

// watch looks at the processes until it is stopped.
func watch(pid int) *peaks {
	p := &peaks{seen: map[string]float64{}, quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			p.look(pid)
			select {
			case <-p.quit:
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

func (p *peaks) look(pid int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if _, rest, found := strings.Cut(string(status), "VmHWM:"); found && len(line) > 0 {
		kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		name := fmt.Sprintf("%s (%d)", strings.Join(words[:min(3, len(words))], " "), pid)
		p.mu.Lock()
		p.seen[name] = max(p.seen[name], kib*1024/1e6)
		p.mu.Unlock()
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				p.look(n)
			}
		}
	}
}

func (p *peaks) read() map[string]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

func (p *peaks) stop() {
	close(p.quit)
	<-p.done
}
