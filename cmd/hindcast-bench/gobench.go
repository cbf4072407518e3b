package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goBench is a Go benchmark that gives a figure.
type goBench struct {
	pkg, name string
	// what is its line of the report.
	what string
	// perEvent says that the figure is throughput, and allocations for each of
	// so many facts as the metric of this name says.
	perEvent string
	// target is in milliseconds an operation; 0 where there is none.
	target float64
}

var goBenches = []goBench{
	{"ingest/alertmanager", "BenchmarkWebhook/200_alerts", "decode webhook, 200 alerts", "facts/op", 0},
	{"ingest/alertmanager", "BenchmarkEvents", "decode recorder batch", "facts/op", 0},
	{"ingest/logs", "BenchmarkLokiProto", "decode Loki push, protobuf", "lines/op", 0},
	{"correlate", "BenchmarkDeriveIncidentOf10000Signals", "incident of 10,000 signals derived again", "", 100},
	{"correlate", "BenchmarkDeriveBeside5000Firing", "small incident derived beside 5,000 that fire", "", 0},
}

// goBenchmarks runs the Go benchmarks on one core, package by package.
func (b *bench) goBenchmarks(ctx context.Context) error {
	byPackage := map[string][]goBench{}
	var order []string
	for _, g := range goBenches {
		if byPackage[g.pkg] == nil {
			order = append(order, g.pkg)
		}
		byPackage[g.pkg] = append(byPackage[g.pkg], g)
	}
	for _, pkg := range order {
		results, err := b.goTest(ctx, pkg, byPackage[pkg])
		if err != nil {
			return err
		}
		for _, g := range byPackage[pkg] {
			r, ok := results[g.name]
			if !ok {
				return fmt.Errorf("the benchmark %s of %s gave no result", g.name, pkg)
			}
			b.addResult(g, r)
		}
	}
	return nil
}

func (b *bench) addResult(g goBench, r map[string]float64) {
	if g.perEvent != "" {
		how := "allocations not counted"
		if facts := r[g.perEvent]; facts > 0 {
			how = fmt.Sprintf("%s allocations and %s bytes an event", number(r["allocs/op"]/facts), number(r["B/op"]/facts))
		}
		b.report.note(g.what, number(r["MB/s"])+" MB/s", how)
		return
	}
	ms := r["ns/op"] / 1e6
	how := fmt.Sprintf("mean of %.0f", r["N"])
	if g.target > 0 {
		b.report.atMost(g.what, ms, g.target, " ms", how)
		return
	}
	b.report.note(g.what, number(ms)+" ms", how)
}

// goTest runs benchmarks of a package; the results are by name and unit.
func (b *bench) goTest(ctx context.Context, pkg string, list []goBench) (map[string]map[string]float64, error) {
	var names []string
	for _, g := range list {
		name, _, _ := strings.Cut(g.name, "/")
		names = append(names, name)
	}
	args := []string{"test", "-run=^$", "-bench=^(" + strings.Join(names, "|") + ")$", "-benchmem", "-benchtime=" + b.size.benchtime, "-cpu=1"}
	if b.profile != "" {
		base, err := filepath.Abs(filepath.Join(b.profile, filepath.Base(pkg)))
		if err != nil {
			return nil, err
		}
		args = append(args, "-cpuprofile="+base+".cpu", "-memprofile="+base+".mem", "-o="+base+".test")
	}
	b.report.Say("go %s ./%s", strings.Join(args, " "), pkg)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/hindcast/hindcast/"+pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w: %s", pkg, err, out)
	}
	return parseBenchmarks(out), nil
}

// parseBenchmarks reads what go test -bench prints. N is the number of
// iterations.
func parseBenchmarks(out []byte) map[string]map[string]float64 {
	results := map[string]map[string]float64{}
	scan := bufio.NewScanner(bytes.NewReader(out))
	for scan.Scan() {
		f := strings.Fields(scan.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		r := map[string]float64{"N": number64(f[1])}
		for i := 2; i+1 < len(f); i += 2 {
			r[f[i+1]] = number64(f[i])
		}
		results[f[0]] = r
	}
	return results
}
