package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/cmd/child"
)

// bareBenches are benchmarks of the store and, of the same rows, of a bare insert
// by clickhouse-go.
var bareBenches = []struct{ what, store, bare string }{
	{"log lines, by rows", "BenchmarkAppendLines", "BenchmarkBareInsert/rows"},
	{"log lines, by columns", "BenchmarkAppendLines", "BenchmarkBareInsert/columns"},
	{"events, by rows", "BenchmarkAppendEvents", "BenchmarkBareEvents"},
}

// againstBare holds the store against bare inserts on the same engine: both in
// turn, some times, and the medians.
func (b *onClickHouse) againstBare(ctx context.Context) error {
	b.report.Say("building the store's benchmarks")
	binary := filepath.Join(b.launch.dir, "clickhouse.test")
	if err := child.Go(ctx, "test", "-c", "-o", binary, "github.com/hindcast/hindcast/storage/clickhouse"); err != nil {
		return fmt.Errorf("build the store's benchmarks: %w", err)
	}
	rates := map[string][]float64{}
	for range b.size.rounds {
		for _, name := range bareNames() {
			rate, err := b.rowsPerSecond(ctx, binary, name)
			if err != nil {
				return err
			}
			rates[name] = append(rates[name], rate)
		}
	}
	for _, pair := range bareBenches {
		store, bare := rates[pair.store], rates[pair.bare]
		ratios := make([]float64, len(store))
		for i := range ratios {
			ratios[i] = store[i] / bare[i]
		}
		how := fmt.Sprintf("%s against %s rows/s, medians of %d in turn; ratios of the rounds %s to %s",
			number(median(store)), number(median(bare)), b.size.rounds, number(slices.Min(ratios)), number(slices.Max(ratios)))
		b.report.atLeast("store against bare insert, "+pair.what, median(store)/median(bare), 0.7, "", how)
	}
	return nil
}

// bareNames are all benchmarks, each once.
func bareNames() []string {
	var names []string
	for _, pair := range bareBenches {
		for _, name := range []string{pair.store, pair.bare} {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// rowsPerSecond runs one benchmark on the engine.
func (b *onClickHouse) rowsPerSecond(ctx context.Context, binary, name string) (float64, error) {
	pattern := "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
	args := []string{"-test.run=^$", "-test.bench=" + pattern, "-test.benchtime=" + b.size.benchtime}
	if b.profile != "" {
		args = append(args, "-test.cpuprofile="+filepath.Join(b.profile, strings.ReplaceAll(name, "/", "-")+".cpu"))
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = b.launch.dir
	cmd.Env = append(os.Environ(), "HINDCAST_TEST_CLICKHOUSE="+b.engine.DSN("default"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	for found, result := range parseBenchmarks(out) {
		if base, _, _ := strings.Cut(found, "-"); base == name && result["rows/s"] > 0 {
			return result["rows/s"], nil
		}
	}
	return 0, fmt.Errorf("%s gave no rows/s: %s", name, out)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
