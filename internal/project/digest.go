package project

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// ID names the project in the store: its project_id, else its folder's name.
func (p *Project) ID() string {
	if id := p.file.get("project_id").text(); id != "" {
		return id
	}
	return filepath.Base(p.Root)
}

// Digest identifies the text of the project's files, .env aside, which may
// differ from machine to machine.
func (p *Project) Digest() string {
	h := sha256.New()
	for _, s := range p.sources {
		fmt.Fprintf(h, "%s %d\n%s", s.shown, len(s.text), s.text)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
