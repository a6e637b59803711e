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

// Files are the paths of what the project was read from, .env last; one of
// them may not exist.
func (p *Project) Files() []string {
	var paths []string
	for _, s := range p.sources {
		paths = append(paths, s.path)
	}
	return append(paths, p.Dotenv())
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
