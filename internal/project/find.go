package project

import (
	"os"
	"path/filepath"

	"elt/internal/fault"
)

// Names of the project file, the first that exists wins.
const (
	ownFile     = "elt.yml"
	meltanoFile = "meltano.yml"
)

// find is the project file: in the directory that a variable names, else in
// dir or the nearest directory above it.
func find(dir string, env map[string]string) (string, error) {
	for _, name := range []string{"ELT_PROJECT_ROOT", "MELTANO_PROJECT_ROOT"} {
		root := env[name]
		if root == "" {
			continue
		}
		if !filepath.IsAbs(root) {
			root = filepath.Join(dir, root)
		}
		if file := fileIn(root); file != "" {
			return file, nil
		}
		return "", fault.New(fault.Usage, "$%s is %s, but neither %s nor %s is there", name, root, ownFile, meltanoFile)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if file := fileIn(at); file != "" {
			return file, nil
		}
		if at == filepath.Dir(at) {
			return "", fault.New(fault.Usage, "no project here: neither %s nor %s in %s or above it", ownFile, meltanoFile, dir).
				WithHint("elt init makes one; --cwd names another directory")
		}
	}
}

func fileIn(dir string) string {
	for _, name := range []string{ownFile, meltanoFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}
