package project

import "strconv"

// Dispatch says where and when runs of a job or a schedule go.
type Dispatch struct {
	Queue    string // workers take from queues; "" is "default"
	Priority int    // of one queue, higher goes first
	// Lock is a name of which one run at a time has the right to run; "": its own.
	Lock string
}

// Or fills what d leaves open.
func (d Dispatch) Or(e Dispatch) Dispatch {
	if d.Queue == "" {
		d.Queue = e.Queue
	}
	if d.Priority == 0 {
		d.Priority = e.Priority
	}
	if d.Lock == "" {
		d.Lock = e.Lock
	}
	return d
}

func readDispatch(n *node) (d Dispatch, err error) {
	d.Queue, d.Lock = n.get("queue").text(), n.get("lock").text()
	if d.Queue == "default" {
		d.Queue = ""
	}
	if v := n.get("priority"); v != nil {
		if d.Priority, err = strconv.Atoi(v.text()); err != nil {
			err = v.errorf("priority: %q is no whole number", v.text())
		}
	}
	return d, err
}

// QueueLimits are how many runs of a queue go on at the same time, all
// workers together; "" is the queue "default".
func (p *Project) QueueLimits() map[string]int { return p.limits }

func (p *Project) readQueues(c *checker) {
	for _, n := range p.file.get("queues").list() {
		name, limit := n.get("name").text(), n.get("limit")
		if name == "default" {
			name = ""
		}
		if limit == nil {
			continue
		}
		number, err := strconv.Atoi(limit.text())
		if err != nil || number < 0 {
			c.wrong(limit.errorf("limit: %q is no number of runs", limit.text()))
			continue
		}
		if p.limits == nil {
			p.limits = map[string]int{}
		}
		p.limits[name] = number
	}
}
