package project

import (
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"elt/internal/fault"
)

// SetDotenv sets a variable in the .env file and removes others that would
// say the same; everything else in the file stays.
func (p *Project) SetDotenv(name, value string, others []string) error {
	return p.editDotenv(append(slices.Clone(others), name), name+"="+QuoteDotenv(value)+"\n", name)
}

// QuoteDotenv is a value as a .env file takes it, in single quotes; reading it
// decodes \\ and \', so both are escaped, as python-dotenv does.
func QuoteDotenv(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "'"
}

// UnsetDotenv removes variables from the .env file, and the file when nothing
// is left in it.
func (p *Project) UnsetDotenv(names []string) error { return p.editDotenv(names, "", "") }

func (p *Project) editDotenv(drop []string, line, at string) error {
	path := p.Dotenv()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return fault.Wrap(fault.Failed, err, "cannot read .env")
	}
	missing := os.IsNotExist(err)
	var out strings.Builder
	rest, written, changed := string(text), false, line != ""
	for rest != "" {
		d, ok := cutDotenv(rest)
		if !ok {
			return fault.New(fault.Failed, ".env is not readable as NAME=value lines").WithHint("mend it first")
		}
		switch {
		case !slices.Contains(drop, d.name):
			out.WriteString(d.raw)
		case d.name == at && !written:
			out.WriteString(line)
			written = true
		default:
			changed = true
		}
		rest = rest[len(d.raw):]
	}
	if !changed {
		return nil
	}
	if p.ReadOnly() {
		return readOnly()
	}
	if line != "" && !written {
		if s := out.String(); s != "" && !strings.HasSuffix(s, "\n") {
			out.WriteByte('\n')
		}
		out.WriteString(line)
	}
	if strings.TrimSpace(out.String()) == "" {
		if missing {
			return nil
		}
		return os.Remove(path)
	}
	// It holds secrets: a new one is for its owner only (invariant 10).
	err = renameio.WriteFile(path, []byte(out.String()), 0o600, renameio.WithExistingPermissions())
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write .env")
	}
	return nil
}
