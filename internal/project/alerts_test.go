package project

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAlerts(t *testing.T) {
	p := inProject(t, `environments: [{name: dev}, {name: prod}]
jobs: [{name: j, tasks: [tap-csv target-jsonl], fresh_within: 26h}]
alerts:
  group_wait: 10s
  channels:
  - {name: ops, type: slack, url: $OPS_URL}
  - {name: hook, type: webhook, url: 'https://example.org/x', secret: "${HOOK_SECRET}", headers: {X-Team: data}}
  - {name: post, type: mail, server: 'smtp.example.org:587', from: elt@example.org, to: ['Ann <ann@example.org>'], user: elt, password: $PW}
  rules:
  - {on: [failure, stale], for: ['night*'], environments: [prod], channels: [ops], resolved: false, fresh_within: 2d}
`, Options{Environ: []string{"OPS_URL=http://127.0.0.1/services/T1/B2/secretpath", "HOOK_SECRET=hook-secret"}})
	a := p.Alerts()
	if a.GroupWait != 10*time.Second || a.GroupInterval != 5*time.Minute || len(a.Channels) != 3 || len(a.Rules) != 1 {
		t.Fatalf("%+v", a)
	}
	r := a.Rules[0]
	if r.FreshWithin != 48*time.Hour || r.Resolved || !slices.Equal(r.For, []string{"night*"}) || r.At.Line == 0 {
		t.Errorf("%+v", r)
	}
	if j, _ := p.Job("j"); j.FreshWithin != 26*time.Hour {
		t.Errorf("%+v", j)
	}
	ch, secrets, err := p.OpenChannel(context.Background(), "ops")
	if err != nil || !strings.HasSuffix(ch.URL, "/secretpath") || !slices.Contains(secrets, "/services/T1/B2/secretpath") {
		t.Errorf("%+v %v %v", ch, secrets, err)
	}
	if ch, secrets, err = p.OpenChannel(context.Background(), "hook"); err != nil || ch.Secret != "hook-secret" || ch.Headers["X-Team"] != "data" || !slices.Contains(secrets, "hook-secret") {
		t.Errorf("%+v %v %v", ch, secrets, err)
	}
	if _, _, err = p.OpenChannel(context.Background(), "post"); err == nil || !strings.Contains(err.Error(), "$PW is not set") {
		t.Error(err)
	}
	if _, _, err = p.OpenChannel(context.Background(), "opps"); err == nil {
		t.Error("an unknown channel")
	}
}

func TestUsualRules(t *testing.T) {
	for keys, want := range map[string]int{"": 1, "alerts: {rules: []}\n": 0, "alerts: {channels: []}\n": 1} {
		p := inProject(t, "jobs: []\n"+keys, Options{})
		if got := p.Alerts().Rules; len(got) != want || want > 0 && len(got[0].On) != len(AlertKinds()) {
			t.Errorf("%q: %+v", keys, got)
		}
	}
}

func TestAlertMistakes(t *testing.T) {
	const channel = "\n  channels: [{name: ops, type: slack, url: $X}]"
	for text, want := range map[string]string{
		"alerts: {chanels: []}":                                                                   `unknown key "chanels", did you mean "channels"?`,
		"alerts: {group_wait: soon}":                                                              `group_wait: "soon" is no duration`,
		"alerts: {channels: [{name: a, type: slak, url: $X}]}":                                    `"slak" is not one of`,
		"alerts: {channels: [{name: a, type: slack}]}":                                            `needs "url"`,
		"alerts: {channels: [{name: a, type: slack, url: x}]}":                                    `the url of channel a is none`,
		"alerts: {channels: [{name: a, type: command, command: x, url: $X}]}":                     `a channel of type command has no "url"`,
		"alerts: {channels: [{name: a, type: mail, server: h, from: x@y.z, to: [x@y.z]}]}":        `has no port`,
		"alerts: {channels: [{name: a, type: mail, server: 'h:25', from: x, to: [x@y.z]}]}":       `"x" is no mail address`,
		"alerts:" + channel + "\n  rules: [{on: [failures]}]":                                     `"failures" is not one of`,
		"alerts:" + channel + "\n  rules: [{on: [failure], channels: [opps]}]":                    `no channel is called "opps"`,
		"alerts:" + channel + "\n  rules: [{on: [failure], environments: [x]}]":                   `no environment is called "x"`,
		"alerts:" + channel + "\n  rules: [{on: [failure], fresh_within: 26h}]":                   `fresh_within is of rules on stale`,
		"alerts:\n  channels: [{name: a, type: slack, url: $X}, {name: a, type: slack, url: $X}]": `two channels are called "a"`,
	} {
		dir := t.TempDir()
		writeFile(t, dir+"/elt.yml", text+"\n")
		_, err := Load(t.Context(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "elt.yml:") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
