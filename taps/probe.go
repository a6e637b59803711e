package taps

// Probing says that an output only wants a look at the first rows of each
// stream: the tap must leave nothing behind at its source, no replication
// slot and no confirmation.
func Probing(out Output) bool {
	p, ok := out.(interface{ probing() })
	if ok {
		p.probing()
	}
	return ok
}

func (probe) probing()   {}
func (*sample) probing() {}
