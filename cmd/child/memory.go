package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is how many bytes the process holds in memory, and how many it held at
// most. Both are 0 where /proc does not say so.
func (p *Process) Memory() (now, most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			now = kilobytes(value)
		case "VmHWM":
			most = kilobytes(value)
		}
	}
	return now, most
}

func kilobytes(v string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
