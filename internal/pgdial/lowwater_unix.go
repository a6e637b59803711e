//go:build unix

package pgdial

import "syscall"

// lowWater sets the socket's low-water mark and says whether it took it.
func (m *meter) lowWater(bytes int) bool {
	raw, err := m.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	return err == nil && failed == nil
}
