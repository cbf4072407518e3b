package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// reading is what the machine and the server had used at a moment, in seconds
// of one core. On systems without /proc it is the time alone.
type reading struct {
	at             time.Time
	busy, stolen   float64
	server, itself float64
	engine         float64
	// waited is how long the server's threads waited for a core.
	waited float64
	known  bool
}

// ticks is how many clock ticks Linux counts in a second for user programs.
const ticks = 100

func (s *server) read() reading {
	r := reading{at: time.Now()}
	all, err := os.ReadFile("/proc/stat")
	if err != nil {
		return r
	}
	first, _, _ := strings.Cut(string(all), "\n")
	f := strings.Fields(first)
	if len(f) < 9 {
		return r
	}
	// user nice system idle iowait irq softirq steal
	for _, i := range []int{1, 2, 3, 6, 7} {
		r.busy += number64(f[i]) / ticks
	}
	r.stolen = number64(f[8]) / ticks
	r.server, r.itself = cpuOf(s.Pid()), cpuOf(os.Getpid())
	if s.engine != 0 {
		r.engine = cpuOf(s.engine)
	}
	r.waited = waitedFor(s.Pid())
	r.known = true
	return r
}

func number64(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}

// cpuOf is the time that a process has used.
func cpuOf(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	return (number64(f[11]) + number64(f[12])) / ticks
}

// waitedFor is how long the threads of a process were ready and had to wait.
func waitedFor(pid int) (seconds float64) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		if f := strings.Fields(string(text)); len(f) > 1 {
			seconds += number64(f[1]) / 1e9
		}
	}
	return seconds
}

// usage is what was used between two readings, as shares of one core.
type usage struct {
	server, others, stolen, waited float64
	engine, itself                 float64
	known                          bool
}

func between(a, b reading) usage {
	wall := b.at.Sub(a.at).Seconds()
	if !a.known || !b.known || wall <= 0 {
		return usage{}
	}
	server, itself, engine := b.server-a.server, b.itself-a.itself, b.engine-a.engine
	return usage{
		server: server / wall, stolen: (b.stolen - a.stolen) / wall, waited: (b.waited - a.waited) / wall, known: true,
		others: max(0, b.busy-a.busy-server-itself-engine) / wall,
		engine: engine / wall, itself: itself / wall,
	}
}

// String tells how busy the server was, and who else used the machine.
func (u usage) String() string {
	if !u.known {
		return "load unknown"
	}
	text := fmt.Sprintf("server %.0f%% of a core", u.server*100)
	if u.engine > 0 {
		text += fmt.Sprintf(", engine %.0f%%, generator %.0f%%", u.engine*100, u.itself*100)
	}
	if u.others > 0.05 {
		text += fmt.Sprintf(", other processes %.0f%%", u.others*100)
	}
	if u.waited > 0.05 {
		text += fmt.Sprintf(", for which the server waited %.0f%% of the time", u.waited*100)
	}
	if u.stolen > 0.02 {
		text += fmt.Sprintf(", stolen %.0f%%", u.stolen*100)
	}
	return text
}
