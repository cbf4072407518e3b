package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/hindcast/hindcast/cmd/child/load"
)

// report gathers figures and prints them as a table. Its methods may be called
// concurrently.
type report struct {
	*load.Progress

	mu      sync.Mutex
	figures []figure
}

// figure is one line of the table.
type figure struct {
	what, got, target string
	// verdict is met, missed or "" where there is no target.
	verdict string
	// how tells of the samples and of the machine.
	how string
}

func (r *report) add(f figure) {
	r.mu.Lock()
	r.figures = append(r.figures, f)
	r.mu.Unlock()
	r.Say("%s: %s (target %s) %s", f.what, f.got, or(f.target, "none"), f.how)
}

// note adds a figure that has no target.
func (r *report) note(what, got, how string) { r.add(figure{what: what, got: got, how: how}) }

// atLeast adds a figure of which more is better.
func (r *report) atLeast(what string, got, target float64, unit, how string) {
	r.add(figure{what, number(got) + unit, "≥ " + number(target) + unit, verdict(got >= target), how})
}

// atMost adds a figure of which less is better.
func (r *report) atMost(what string, got, target float64, unit, how string) {
	r.add(figure{what, number(got) + unit, "≤ " + number(target) + unit, verdict(got <= target), how})
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

// number writes three figures or so, large ones with separators.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%d,%03d,%03d", int(v)/1e6, int(v)/1e3%1e3, int(v)%1e3)
	case v >= 1e3:
		return fmt.Sprintf("%d,%03d", int(v)/1e3, int(v)%1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// print writes the table.
func (r *report) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tgot\ttarget\t\thow")
	for _, f := range r.figures {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.what, f.got, f.target, f.verdict, f.how)
	}
	// A table that cannot be written has no reader who could be told.
	_ = t.Flush()
}

// samples are durations of which percentiles are asked. Its methods may be
// called concurrently.
type samples struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
}

func (s *samples) add(d time.Duration) {
	s.mu.Lock()
	s.took = append(s.took, d)
	s.mu.Unlock()
}

func (s *samples) fail() {
	s.mu.Lock()
	s.failed++
	s.mu.Unlock()
}

// ms is a percentile in milliseconds: the least sample that is not exceeded by
// p percent of them.
func (s *samples) ms(p float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.took) == 0 {
		return 0
	}
	slices.Sort(s.took)
	i := min(int(p/100*float64(len(s.took))), len(s.took)-1)
	return s.took[i].Seconds() * 1e3
}

// String tells how many samples there are, and what lies beside the p99.
func (s *samples) String() string {
	text := fmt.Sprintf("%s samples, p50 %s ms, max %s ms", number1(len(s.took)), number(s.ms(50)), number(s.ms(100)))
	if s.failed > 0 {
		text += fmt.Sprintf(", %d FAILED", s.failed)
	}
	return text
}

func number1(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return number(float64(n))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
