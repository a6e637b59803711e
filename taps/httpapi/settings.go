package httpapi

import (
	"time"

	"elt/internal/spec"
)

// Settings are what every tap over HTTP lists in its Spec.
func Settings() []spec.Setting {
	return []spec.Setting{
		{Name: "request_timeout", Type: spec.Number, Default: 300, Example: "60", Help: "Seconds that a server may say nothing, before or in the middle of an answer."},
		{Name: "retries", Type: spec.Integer, Default: 7, Example: "3", Help: "How often a request is repeated after 429, 5xx, a time-out or a cut connection; never after another error."},
		{Name: "retry_pause", Type: spec.Number, Default: 1, Example: "5", Help: "Seconds before the first retry; each further pause is twice as long, with jitter, unless the server says how long (Retry-After)."},
		{Name: "longest_pause", Type: spec.Number, Default: 900, Example: "60", Help: "The longest pause in seconds; a server that asks for more fails the stream."},
		{Name: "requests_per_second", Type: spec.Number, Example: "5", Help: "Own limit over all streams, fractions allowed."},
		{Name: "requests_per_minute", Type: spec.Number, Example: "90", Help: "The same by the minute; of both limits the slower counts. A 429 halves the rate of the moment, successes raise it again; X-RateLimit and RateLimit headers are heeded."},
		{Name: "concurrent_requests", Type: spec.Integer, Example: "2", Help: "Most requests on their way at the same time, over all streams."},
		{Name: "allow_hosts", Type: spec.Array, Example: `["files.example.com"]`, Help: "Hosts beside the one of the URL to which redirects and next-page links may lead; they get the credentials too."},
		{Name: "user_agent", Type: spec.String, Default: "elt", Example: "elt (data@example.com)", Help: "What requests call themselves."},
	}
}

// Config is how those settings are decoded.
type Config struct {
	Timeout   float64  `json:"request_timeout"`
	Retries   int      `json:"retries"`
	Pause     float64  `json:"retry_pause"`
	Longest   float64  `json:"longest_pause"`
	PerSecond float64  `json:"requests_per_second"`
	PerMinute float64  `json:"requests_per_minute"`
	Together  int      `json:"concurrent_requests"`
	Hosts     []string `json:"allow_hosts"`
	UserAgent string   `json:"user_agent"`
}

// Options are the options that the settings ask for.
func (c Config) Options(secrets *Secrets) Options {
	return Options{Silence: Seconds(c.Timeout), Retries: max(0, c.Retries), Pause: max(Seconds(c.Pause), time.Millisecond), Longest: Seconds(c.Longest),
		PerSecond: c.PerSecond, PerMinute: c.PerMinute, Together: c.Together, Hosts: c.Hosts, UserAgent: c.UserAgent, Secrets: secrets}
}

// Seconds is a number of seconds as a duration.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
