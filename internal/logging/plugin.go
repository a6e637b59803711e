package logging

import (
	"io"
	"strings"

	"github.com/rs/zerolog"
)

// Plugin is the logger of a connector's process: lines as singer-python
// writes them, LEVEL message key=value.
func Plugin(w io.Writer) zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{
		Out: w, NoColor: true, PartsOrder: []string{zerolog.LevelFieldName, zerolog.MessageFieldName},
		FormatLevel: func(v any) string {
			level, _ := v.(string)
			if level == "warn" {
				level = "warning"
			}
			return strings.ToUpper(level)
		},
	}).Level(zerolog.InfoLevel)
}
