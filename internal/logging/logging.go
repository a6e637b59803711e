// Package logging sets up zerolog: levels and formats as Meltano names them,
// one line per event on one writer. Commands and the runner get a logger as
// an argument; nothing logs through a package variable.
package logging

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// Levels and Formats are the accepted names.
var (
	Levels  = [...]string{"debug", "info", "warning", "error", "critical", "disabled"}
	Formats = [...]string{"colored", "uncolored", "json", "key_value", "plain"}
)

// Options say what is logged and how.
type Options struct {
	Level  string // "" is info
	Format string // "" is colored where Color is set, else uncolored
	Color  bool
	Local  bool // times on a console in the local zone instead of UTC
}

// New makes a logger that writes whole lines to w.
func New(w io.Writer, o Options) (zerolog.Logger, error) {
	sink, err := NewSink(w, o)
	if err != nil {
		return zerolog.Nop(), err
	}
	return Join(sink), nil
}

// Sink is one place where events go, with its own level and format.
type Sink struct {
	out   io.Writer
	level zerolog.Level
}

// Level is the lowest level that the sink lets through.
func (s Sink) Level() zerolog.Level { return s.level }

// Join makes a logger over several sinks; each event is made once.
func Join(sinks ...Sink) zerolog.Logger {
	level := zerolog.Disabled
	writers := make([]io.Writer, len(sinks))
	for i, s := range sinks {
		level = min(level, s.level)
		writers[i] = &zerolog.FilteredLevelWriter{Writer: zerolog.LevelWriterAdapter{Writer: s.out}, Level: s.level}
	}
	stamp := zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str("timestamp", time.Now().UTC().Format(stampLayout))
	})
	return zerolog.New(zerolog.MultiLevelWriter(writers...)).Level(level).Hook(stamp)
}

const stampLayout = "2006-01-02T15:04:05.000Z07:00"

// NewSink checks the options of one place.
func NewSink(w io.Writer, o Options) (Sink, error) {
	level, err := ParseLevel(o.Level)
	if err != nil {
		return Sink{}, err
	}
	format := strings.ToLower(o.Format)
	switch format {
	case "":
		format = "uncolored"
		if o.Color {
			format = "colored"
		}
	case "console", "text":
		format = "uncolored"
	}
	var out io.Writer
	switch format {
	case "json":
		out = jsonLines{w}
	case "colored", "uncolored", "plain", "key_value":
		out = console(w, format, format == "colored" && o.Color, o.Local)
	default:
		e := fault.New(fault.Usage, "unknown log format %q", o.Format).
			WithHint("one of %s", strings.Join(Formats[:], ", "))
		return Sink{}, e
	}
	return Sink{out, level}, nil
}

// ParseLevel reads a level's name; "" is info.
func ParseLevel(name string) (zerolog.Level, error) {
	switch strings.ToLower(name) {
	case "debug":
		return zerolog.DebugLevel, nil
	case "", "info":
		return zerolog.InfoLevel, nil
	case "warning", "warn":
		return zerolog.WarnLevel, nil
	case "error":
		return zerolog.ErrorLevel, nil
	case "critical", "fatal":
		return zerolog.FatalLevel, nil
	case "disabled", "off":
		return zerolog.Disabled, nil
	}
	return 0, fault.New(fault.Usage, "unknown log level %q", name).
		WithHint("one of %s", strings.Join(Levels[:], ", "))
}

func console(w io.Writer, format string, color, local bool) io.Writer {
	c := zerolog.ConsoleWriter{
		Out: w, NoColor: !color,
		PartsOrder:    []string{"timestamp", zerolog.LevelFieldName, "plugin", zerolog.MessageFieldName},
		FieldsExclude: []string{"timestamp", "plugin", "run_id"},
		FormatPartValueByName: func(v any, name string) string {
			switch {
			case v == nil:
				return ""
			case name == "timestamp" && local:
				if at, err := time.Parse(stampLayout, fmt.Sprint(v)); err == nil {
					return at.Local().Format(stampLayout)
				}
				return fmt.Sprint(v)
			case name == "plugin":
				return fmt.Sprintf("%-12s |", v)
			default:
				return fmt.Sprint(v)
			}
		},
	}
	switch format {
	case "plain":
		c.PartsOrder = []string{zerolog.MessageFieldName}
		c.FormatPrepare = func(event map[string]any) error {
			maps.DeleteFunc(event, func(name string, _ any) bool { return name != zerolog.MessageFieldName })
			return nil
		}
	case "key_value":
		c.FormatPartValueByName = func(v any, name string) string {
			if v == nil {
				return ""
			}
			return fmt.Sprintf("%s=%q", name, v)
		}
		c.FormatLevel = func(v any) string { return fmt.Sprintf("level=%q", v) }
		c.FormatMessage = func(v any) string { return fmt.Sprintf("event=%q", v) }
	}
	return c
}

// jsonLines names the fields as Meltano's JSON log does.
type jsonLines struct{ w io.Writer }

func (j jsonLines) Write(line []byte) (int, error) {
	out := make([]byte, 0, len(line)+8)
	rest, _ := bytes.CutPrefix(line, []byte(`{"level":"warn"`))
	if len(rest) < len(line) {
		out = append(out, `{"level":"warning"`...)
	}
	// The message comes last, and inside a string its quotes would be escaped.
	if at := bytes.LastIndex(rest, []byte(`,"message":`)); at >= 0 {
		out = append(out, rest[:at]...)
		out = append(out, `,"event":`...)
		rest = rest[at+len(`,"message":`):]
	}
	if _, err := j.w.Write(append(out, rest...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
