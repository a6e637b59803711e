//go:build !linux

package replication

import "net"

// giveUpSilent does nothing where the kernel has no such option.
func giveUpSilent(net.Conn) {}
