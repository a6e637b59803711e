package state

import "context"

// LogPart is a piece of an execution's log.
type LogPart struct {
	Start, Size int64 // in bytes of the log
	Gzip        []byte
}

// Logs are copies of the logs of executions, for daemons on other machines
// than the one that ran them: a log is whole there, here the middle of a long
// one is left out.
type Logs interface {
	// AddLogPart adds what the execution's worker wrote; the same start again
	// changes nothing. Of what lies between the first head bytes and the last
	// tail bytes, parts are deleted. ErrFenced when the worker has it no more.
	AddLogPart(ctx context.Context, execution, worker string, p LogPart, head, tail int64) error
	// DropLog deletes the copy; ErrFenced as above.
	DropLog(ctx context.Context, execution, worker string) error
	// LogPart is the part that holds a byte of the log, else the next one after
	// it; ErrNotFound when there is none.
	LogPart(ctx context.Context, execution string, at int64) (LogPart, error)
	// LogSize is where the last part ends; 0 when there is none.
	LogSize(ctx context.Context, execution string) (int64, error)
	// PruneLogs deletes the copies of logs whose executions are gone.
	PruneLogs(ctx context.Context) error
}
