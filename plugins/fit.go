package plugins

import (
	"strings"

	"elt/internal/project"
	"elt/internal/spec"
)

// unfit says why a connector cannot take the plugin's place with the settings
// in use; "" when it can.
func unfit(s spec.Spec, settings *project.Settings) string {
	if settings == nil {
		return ""
	}
	for _, v := range settings.Values {
		if v.Value == nil || v.Source == project.FromDefault || strings.HasPrefix(v.Name, "_") {
			continue
		}
		if !understands(s, v.Name) {
			return "its setting " + v.Name + " is unknown to the built-in " + s.Name
		}
	}
	if method := replication(settings); method == "LOG_BASED" && !can(s, "log-based") {
		return "a stream is replicated LOG_BASED, which the built-in " + s.Name + " cannot do"
	}
	return ""
}

// understands says that a setting is one of the connector's, a part of one,
// or holds some.
func understands(s spec.Spec, name string) bool {
	for _, set := range s.Settings {
		for _, known := range append([]string{set.Name}, set.Aliases...) {
			if name == known || strings.HasPrefix(name, known+".") || strings.HasPrefix(known, name+".") {
				return true
			}
		}
	}
	return false
}

func can(s spec.Spec, capability string) bool {
	for _, c := range s.Capabilities {
		if c == capability {
			return true
		}
	}
	return false
}

// replication is LOG_BASED if any metadata rule says so.
func replication(settings *project.Settings) string {
	rules, _ := settings.Extra("metadata").(*project.Map)
	for _, rule := range rules.All() {
		if keys, ok := rule.(*project.Map); ok {
			if method, _ := keys.Get("replication-method"); method == "LOG_BASED" {
				return "LOG_BASED"
			}
		}
	}
	return ""
}
