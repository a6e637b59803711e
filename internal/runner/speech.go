package runner

import (
	"bytes"
	"encoding/json"

	"github.com/rs/zerolog"
)

// speaker turns a plugin's lines on standard error into log events. A line
// that is a JSON object with a level and a message (Meltano SDK, built-in
// connectors) keeps both; of others the level is looked for among the first words.
func speaker(log zerolog.Logger) func(line []byte) {
	return func(line []byte) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) == 0 {
			return
		}
		if line[0] == '{' && speakJSON(log, line) {
			return
		}
		level := levelOf(line)
		for _, word := range levelWords { // the event has a level of its own
			if rest, ok := bytes.CutPrefix(line, []byte(word+" ")); ok {
				line = rest
				break
			}
		}
		if bytes.HasPrefix(line, []byte("METRIC: {")) {
			level = zerolog.DebugLevel // of interest to programs
		}
		log.WithLevel(level).Msg(string(line))
	}
}

// levelWords begin the lines of singer-python and of our own connectors.
var levelWords = [...]string{"INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG"}

func speakJSON(log zerolog.Logger, line []byte) bool {
	var said struct {
		Level   string `json:"level"`
		Message string `json:"message"`
		Event   string `json:"event"`
		Stream  string `json:"stream"`
		SDK     string `json:"stream_name"`
		Error   string `json:"error"`
		Raised  *struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"exception"`
		Metric json.RawMessage `json:"metric_info"`
	}
	if json.Unmarshal(line, &said) != nil || said.Level == "" || said.Message == "" && said.Event == "" {
		return false
	}
	level := levelOf([]byte(said.Level))
	if said.Message == "METRIC" {
		level = zerolog.DebugLevel // of interest to programs
	}
	e := log.WithLevel(level)
	if said.Metric != nil {
		e = e.RawJSON("metric", said.Metric)
	}
	if said.Raised != nil && said.Error == "" {
		said.Error = said.Raised.Type + ": " + said.Raised.Message
	}
	if stream := said.Stream + said.SDK; stream != "" {
		e = e.Str("stream", stream)
	}
	if said.Error != "" {
		e = e.Str("error", said.Error)
	}
	e.Msg(said.Message + said.Event)
	return true
}

// levelOf looks for a level's name among the first words of a line.
func levelOf(line []byte) zerolog.Level {
	head := line[:min(len(line), 80)]
	for word := range bytes.FieldsFuncSeq(head, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		switch string(bytes.ToUpper(word)) {
		case "CRITICAL", "FATAL", "PANIC":
			return zerolog.ErrorLevel
		case "ERROR", "ERR":
			return zerolog.ErrorLevel
		case "WARNING", "WARN", "WRN":
			return zerolog.WarnLevel
		case "INFO", "INF":
			return zerolog.InfoLevel
		case "DEBUG", "DBG", "TRACE":
			return zerolog.DebugLevel
		}
	}
	return zerolog.InfoLevel
}
