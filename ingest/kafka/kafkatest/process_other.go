//go:build !linux

package kafkatest

import (
	"errors"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

var errLinuxOnly = errors.New("a broker is frozen and thawed on Linux only")

func freeze(*process) error { return errLinuxOnly }

func thaw(*process) error { return errLinuxOnly }
