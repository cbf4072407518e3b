package kafkatest

import "syscall"

// childAttributes end the child with its parent, however that one ends.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

func freeze(p *process) error { return p.signal(syscall.SIGSTOP) }

func thaw(p *process) error { return p.signal(syscall.SIGCONT) }
