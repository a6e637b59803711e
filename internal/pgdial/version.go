package pgdial

import (
	"fmt"

	"elt/internal/fault"
)

// oldest is the first major version whose catalog tables have all that
// discovery and loading ask of them (pg_attribute.attgenerated).
const oldest = 12

// supported refuses a server that is too old, by what it says at login:
// "15.18 (Debian 15.18-0+deb12u1)", "17beta1", Amazon Redshift's "8.0.2".
func supported(version, address string) error {
	var major int
	if _, err := fmt.Sscanf(version, "%d", &major); err != nil || major >= oldest {
		return nil
	}
	return fault.New(fault.Failed, "the server at %s is PostgreSQL %s, or says so; version %d or newer is needed", address, version, oldest).
		WithHint("upgrade the server, or let another plugin read it (native: never)")
}
