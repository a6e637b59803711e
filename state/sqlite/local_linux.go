package sqlite

import (
	"path/filepath"
	"syscall"

	"elt/internal/fault"
)

// remote are file systems on which SQLite's WAL does not work: its shared
// memory is not shared between machines.
var remote = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x5346414f: "AFS", 0x73757245: "Coda",
	0x564c: "NCP", 0x00c36400: "Ceph", 0x0bd00bd0: "Lustre", 0x47504653: "GPFS", 0x7461636f: "OCFS2", 0x01161970: "GFS2",
}

// local refuses a store on a network file system.
func local(path string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
		return nil // opening will tell
	}
	return refuse(path, uint32(fs.Type))
}

func refuse(path string, magic uint32) error {
	if kind := remote[magic]; kind != "" {
		return fault.New(fault.StoreAway, "the state store %s lies on a network file system (%s), where SQLite loses data", path, kind).
			WithHint("put the project's .elt folder on a local disk, or keep state in PostgreSQL: set database_uri")
	}
	return nil
}
