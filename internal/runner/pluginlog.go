package runner

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/project"
)

// pipelinewiseLogging is what PipelineWise's singer-python reads: an
// old-style logging file.
const pipelinewiseLogging = `[loggers]
keys=root

[handlers]
keys=console

[formatters]
keys=default

[logger_root]
level=%[1]s
handlers=console

[handler_console]
class=StreamHandler
level=%[1]s
formatter=default
args=(sys.stderr,)

[formatter_default]
format=%%(levelname)s %%(message)s
`

// writeLogging gives a foreign Singer plugin what it needs to log at our level
// and in a form that speaker understands, as Meltano does: JSON where the
// plugin is capable of structured-logging, else the level and the message.
// Whoever set these variables himself keeps them.
func (s *Stage) writeLogging(f *folder, prefix string, level zerolog.Level) error {
	singer := s.Plugin.Kind == project.Extractors || s.Plugin.Kind == project.Loaders || s.Plugin.Kind == project.Mappers
	if s.Choice.Native || !singer {
		return nil
	}
	format := map[string]string{"format": "%(levelname)s %(message)s"}
	if s.Plugin.Can("structured-logging") && s.Settings.Extra("log_parser") == "singer-sdk" {
		format = map[string]string{"()": "singer_sdk.logging.StructuredFormatter"}
	}
	name := pythonLevel(level)
	sdk, err := json.MarshalIndent(map[string]any{
		"version": 1, "disable_existing_loggers": false,
		"formatters": map[string]any{"singer_formatter": format},
		"handlers": map[string]any{"console": map[string]any{
			"class": "logging.StreamHandler", "formatter": "singer_formatter", "stream": "ext://sys.stderr"}},
		"root": map[string]any{"handlers": []string{"console"}, "level": name},
	}, "", "  ")
	if err != nil {
		return err
	}
	for _, file := range []struct{ variable, name, content string }{
		{"SINGER_SDK_LOG_CONFIG", prefix + "singer_sdk_logging.json", string(sdk) + "\n"},
		{"LOGGING_CONF_FILE", prefix + "pipelinewise_logging.conf", fmt.Sprintf(pipelinewiseLogging, name)},
	} {
		if s.has(file.variable) {
			continue
		}
		path, err := f.write(file.name, []byte(file.content))
		if err != nil {
			return err
		}
		s.environ = append(s.environ[:len(s.environ):len(s.environ)], file.variable+"="+path)
	}
	return nil
}

func (s *Stage) has(variable string) bool {
	for _, kv := range s.environ {
		if strings.HasPrefix(kv, variable+"=") {
			return true
		}
	}
	return false
}

// pythonLevel is the level as Python's logging calls it.
func pythonLevel(l zerolog.Level) string {
	switch {
	case l <= zerolog.DebugLevel:
		return "DEBUG"
	case l == zerolog.InfoLevel:
		return "INFO"
	case l == zerolog.WarnLevel:
		return "WARNING"
	case l == zerolog.ErrorLevel:
		return "ERROR"
	}
	return "CRITICAL"
}
