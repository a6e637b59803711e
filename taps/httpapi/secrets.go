package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Secrets are texts that must not be shown (invariant 10): those of the
// settings and the tokens that servers hand out. Safe for concurrent use.
type Secrets struct {
	mu   sync.Mutex
	list []string
}

// Add hides more texts. Short ones are not hidden: they would blank out words.
func (s *Secrets) Add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range texts {
		for _, form := range []string{t, url.QueryEscape(t), url.PathEscape(t)} {
			if len(form) >= 4 && !slices.Contains(s.list, form) {
				s.list = append(s.list, form)
			}
		}
	}
}

// Hide is text with stars in place of secrets.
func (s *Secrets) Hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.list {
		text = strings.ReplaceAll(text, t, "****")
	}
	return text
}
