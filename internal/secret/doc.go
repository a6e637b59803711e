// Package secret keeps secrets out of everything that is written (invariant
// 10): a Redactor knows the values, and every sink (logs, run logs, plugin
// output, error texts) goes through it. It finds a value as it is and as
// JSON, URL or base64 text, also when one value arrives in several writes.
package secret
