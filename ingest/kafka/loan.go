package kafka

import (
	"errors"
	"sync/atomic"
)

// loan is memory that is lent to an exchange for its response. An exchange goes
// on when its caller has gone, until the connection's deadline: then what was
// lent comes back when it ends, and not before.
type loan struct {
	hold *hold
	// more takes more of it without waiting.
	more  func(n int64) bool
	state atomic.Int32
}

// The states of a loan.
const (
	loanIdle int32 = iota
	loanUsed
	loanEnded
	loanAbandoned
)

var errAbandoned = errors.New("nobody waits for the response any more")

// begin is false when the caller has gone. All methods but abandon take a nil.
func (l *loan) begin() bool { return l == nil || l.state.CompareAndSwap(loanIdle, loanUsed) }

func (l *loan) end() {
	if l != nil && l.state.Swap(loanEnded) == loanAbandoned {
		l.hold.release()
	}
}

// covers takes what a response of that size needs beside what was lent.
func (l *loan) covers(size int64) bool {
	if l == nil {
		return true
	}
	missing := size - l.hold.size()
	return missing <= 0 || l.more(missing)
}

// abandon is called when there is no answer, or it is not wanted any more.
func (l *loan) abandon() {
	if l.state.Swap(loanAbandoned) != loanUsed {
		l.hold.release()
	}
}
