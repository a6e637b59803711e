package api

import "elt/state"

// Progress is how far a run is, as followers of its log are told.
type Progress struct {
	Rows          int64         `json:"rows"`
	Bytes         int64         `json:"bytes"`
	RowsPerSecond float64       `json:"rows_per_second" doc:"Of the steps that go on, lately."`
	Bottleneck    string        `json:"bottleneck,omitempty" doc:"The plugin that the others wait for, of the step that goes on."`
	Streams       []StreamOfRun `json:"streams"`
}

func (s *Server) progressOf(steps []state.Run) Progress {
	p := Progress{Streams: []StreamOfRun{}}
	for _, r := range steps {
		step := s.step(r)
		p.Rows, p.Bytes = p.Rows+step.Rows, p.Bytes+step.Bytes
		if r.Status == state.Running {
			p.RowsPerSecond += step.RowsPerSecond
			p.Bottleneck = step.Bottleneck
		}
		p.Streams = append(p.Streams, streamsOf(step)...)
	}
	return p
}

// streamsOf are the streams of a step, with the step.
func streamsOf(step Step) (out []StreamOfRun) {
	for _, one := range step.Streams {
		out = append(out, StreamOfRun{step.RunID, step.Name, step.Bottleneck, one})
	}
	return out
}
