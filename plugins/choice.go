package plugins

import (
	"encoding/json"

	"elt/internal/project"
)

// Choice says what runs in a plugin's place and why.
type Choice struct {
	Plugin *project.Plugin
	Native bool
	// Connector is the built-in connector's name, also where one exists but
	// the foreign plugin was chosen; "" when there is none.
	Connector string
	// Dialect is the naming dialect that the connector has to speak; "" is its own.
	Dialect string
	// Reason is one clause without a full stop: "its setting x is unknown to tap-csv".
	Reason string
	// Pinned: an earlier run of the state id decided.
	Pinned bool
	// Command starts the plugin.
	Command Command
}

// Command is a program with its first arguments and what it needs in its environment.
type Command struct {
	Path string
	Args []string
	// Venv is the virtual environment that the program belongs to, "" for none.
	Venv string
	// Dir is the working directory, "" for the project's root.
	Dir string
}

// Pin is a verdict that was kept with a state id: an upgrade of elt never
// changes who reads and writes its tables.
type Pin struct {
	Native    bool   `json:"native"`
	Connector string `json:"connector,omitempty"`
	Dialect   string `json:"dialect,omitempty"`
	Version   string `json:"version,omitempty"` // of elt, when it was decided
	Reason    string `json:"reason,omitempty"`
}

// Pin is the choice as it is kept.
func (c Choice) Pin(version string) Pin {
	p := Pin{Native: c.Native, Version: version, Reason: c.Reason}
	if c.Native {
		p.Connector, p.Dialect = c.Connector, c.Dialect
	}
	return p
}

// Text is the pin as it is stored, and ParsePin the inverse.
func (p Pin) Text() string {
	text, _ := json.Marshal(p)
	return string(text)
}

// ParsePin reads a stored pin.
func ParsePin(text string) (Pin, error) {
	var p Pin
	err := json.Unmarshal([]byte(text), &p)
	return p, err
}
