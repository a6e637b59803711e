package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// canary: canary SECRET... looks for secrets where none may be: in the
// arguments of the script's processes and in every file below its folder but
// elt.yml and .env, as they are and in the usual encodings. Files of a run on
// its way may hold them, and must be 0600 in folders of 0700.
func canary(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: canary SECRET...")
	}
	root := ts.MkAbs(".")
	forms := map[string][]byte{}
	for _, secret := range args {
		for name, form := range encodings(secret) {
			forms[name+" of "+secret] = form
		}
	}
	sing := func(where string, content []byte) {
		for name, form := range forms {
			if bytes.Contains(content, form) {
				ts.Fatalf("%s holds the %s", where, name)
			}
		}
	}
	processes := 0
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		if cwd, _ := os.Readlink(filepath.Join(filepath.Dir(path), "cwd")); strings.HasPrefix(cwd, root) {
			cmdline, _ := os.ReadFile(path)
			processes++
			sing("an argument list, "+strings.ReplaceAll(string(cmdline), "\x00", " "), cmdline)
		}
	}
	ts.Logf("looked at %d processes", processes)
	runs := filepath.Join(root, ".elt", "run") + string(filepath.Separator)
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, runs) {
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				ts.Fatalf("%s has mode %v", path, info.Mode())
			}
			return err
		}
		if d.IsDir() || !d.Type().IsRegular() || path == filepath.Join(root, "elt.yml") || path == filepath.Join(root, ".env") {
			return nil
		}
		content, err := os.ReadFile(path)
		sing(path, content)
		return err
	}))
}

func encodings(secret string) map[string][]byte {
	quoted, _ := json.Marshal(secret)
	return map[string][]byte{
		"text":       []byte(secret),
		"JSON form":  bytes.Trim(quoted, `"`),
		"query form": []byte(url.QueryEscape(secret)),
		"path form":  []byte(url.PathEscape(secret)),
		"base64":     []byte(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")),
		"base64url":  []byte(strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(secret)), "=")),
		"hex":        []byte(hex.EncodeToString([]byte(secret))),
	}
}
