// Package port picks TCP ports of loopback for servers that tests start as
// processes, which cannot be told "any".
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// first is the lowest port that is picked; below are those of well-known services.
const first = 15000

// Free is a port at which nobody listens. It lies below those that the kernel
// hands out to whoever asks for any, to clients too: between this call and the
// server's start, or while the server is down for a moment, only another pick
// of the same number out of many thousand could take it.
func Free() (int, error) {
	var err error
	for range 100 {
		var l net.Listener
		n := first + rand.IntN(handedOut()-first)
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n))); err == nil {
			return n, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// handedOut is the lowest port that the kernel hands out; 32768 on Linux
// unless somebody has changed it.
func handedOut() int {
	var low int
	text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if _, err := fmt.Sscan(string(text), &low); err != nil || low < first+1000 {
		return 32768
	}
	return low
}
