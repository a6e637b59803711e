package cli

import (
	"errors"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"elt/internal/fault"
)

// InstallFlags are Meltano's. A plugin that is missing is never installed on
// the way, so they change nothing and are not shown.
func InstallFlags(cmd *cobra.Command) {
	for _, name := range []string{"install", "no-install"} {
		cmd.Flags().Bool(name, false, "accepted for Meltano's sake")
		cmd.Flags().MarkHidden(name)
	}
}

// FlagsFromEnviron gives flags that were not typed the value of a variable:
// names maps a flag to the variables that stand for it.
func (a *App) FlagsFromEnviron(cmd *cobra.Command, names map[string]string) error {
	for flag, variable := range names {
		value, ok := a.Variable(variable)
		if !ok || value == "" || cmd.Flags().Changed(flag) {
			continue
		}
		if cmd.Flags().Lookup(flag).Value.Type() == "bool" {
			value = truth(value)
		}
		if err := cmd.Flags().Set(flag, value); err != nil {
			return fault.Wrap(fault.Usage, err, "variable %s", variable)
		}
	}
	return nil
}

// Variable looks up the process environment.
func (a *App) Variable(name string) (string, bool) {
	for i := len(a.Environ) - 1; i >= 0; i-- {
		if kv := a.Environ[i]; len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:], true
		}
	}
	return "", false
}

// truth reads a boolean as Meltano does; anything else is left for the flag to refuse.
func truth(text string) string {
	switch text {
	case "yes", "on", "y", "Yes", "On", "YES", "ON":
		return "true"
	case "no", "off", "n", "No", "Off", "NO", "OFF":
		return "false"
	}
	return text
}

// UUIDVar defines a flag that takes a UUID and nothing else.
func UUIDVar(f *pflag.FlagSet, to *string, name, usage string) { f.Var((*uuidValue)(to), name, usage) }

type uuidValue string

func (v *uuidValue) String() string { return string(*v) }
func (v *uuidValue) Type() string   { return "UUID" }
func (v *uuidValue) Set(text string) error {
	id, err := uuid.Parse(text)
	if err != nil {
		return errors.New("it is no UUID")
	}
	*v = uuidValue(id.String())
	return nil
}
