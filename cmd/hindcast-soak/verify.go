package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// The queries that tell of every kind of fact by service: how many there are, how
// many different ones, and the sum of their numbers. They ask the views, which are
// what others read as well.
var factQueries = map[string]string{
	linesTopic: `SELECT service, count(), uniqExact(text), sum(toUInt64(extract(text, 'request (\\d+) took')))
		FROM hindcast.v_log_lines GROUP BY service`,
	alertsTopic: `SELECT service, count(), uniqExact(labels['number']), sum(toUInt64(labels['number']))
		FROM hindcast.v_alerts GROUP BY service`,
	deploysTopic: `SELECT service, count(), uniqExact(version), sum(toUInt64(version))
		FROM hindcast.v_changes GROUP BY service`,
}

const (
	countsQuery = `SELECT concat(service, ' ', level), sum(n) FROM hindcast.v_log_counts GROUP BY service, level`
	asidesQuery = `SELECT count() FROM hindcast.v_asides`
	// An append that was made again stands in the journal again. What a killed
	// process had inserted without coming to the journal does not.
	twiceQuery = `SELECT
		(SELECT toUInt64(sum((times - 1) * lines)) FROM
			(SELECT source, count() AS times FROM hindcast.journal ARRAY JOIN sources AS source GROUP BY source) AS appended
			INNER JOIN (SELECT source, any(lines) AS lines FROM hindcast.chunks GROUP BY source) AS chunks USING source),
		(SELECT count() - uniqExact(id) FROM hindcast.journal ARRAY JOIN events AS id),
		(SELECT count() - uniqExact(id) FROM hindcast.journal ARRAY JOIN observations AS id)`
)

// verify holds the store against what was produced, and prints both.
func (s *soak) verify(ctx context.Context, want truth) error {
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			s.print("WRONG: "+format, args...)
		}
	}
	if err := s.verifyFacts(ctx, want.facts, complain); err != nil {
		return err
	}
	if err := s.verifyCounts(ctx, want.lines, complain); err != nil {
		return err
	}
	if err := s.verifyNothingElse(ctx, complain); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d differences", errWrong, wrong)
	}
	s.print("PASS: every fact once, every count exact, no lag")
	return nil
}

func (s *soak) verifyFacts(ctx context.Context, want map[string]map[string]sums, complain func(string, ...any)) error {
	for _, topic := range slices.Sorted(maps.Keys(factQueries)) {
		got, distinct, err := s.factsOf(ctx, topic)
		if err != nil {
			return err
		}
		var total uint64
		for service, n := range want[topic] {
			if got[service] != n || distinct[service] != n.count {
				complain("%s, %s: %d there, %d of them different, their numbers add up to %d; want %d, adding up to %d",
					topic, service, got[service].count, distinct[service], got[service].numbers, n.count, n.numbers)
			}
			total += got[service].count
		}
		for service, n := range got {
			if _, ok := want[topic][service]; !ok {
				complain("%s, %s: %d there that nobody produced", topic, service, n.count)
			}
		}
		s.print("%s: %s there", topic, count(int(total)))
	}
	return nil
}

// factsOf asks for the facts of a topic, by service.
func (s *soak) factsOf(ctx context.Context, topic string) (got map[string]sums, distinct map[string]uint64, err error) {
	rows, err := s.engine.Rows(ctx, factQueries[topic])
	if err != nil {
		return nil, nil, fmt.Errorf("ask for %s: %w", topic, err)
	}
	got, distinct = map[string]sums{}, map[string]uint64{}
	for _, row := range rows {
		n, err := numbers(row[1:])
		if err != nil {
			return nil, nil, fmt.Errorf("ask for %s: %w", topic, err)
		}
		got[row[0]], distinct[row[0]] = sums{count: n[0], numbers: n[2]}, n[1]
	}
	return got, distinct, nil
}

func (s *soak) verifyCounts(ctx context.Context, want map[string]uint64, complain func(string, ...any)) error {
	rows, err := s.engine.Rows(ctx, countsQuery)
	if err != nil {
		return fmt.Errorf("ask for the counts: %w", err)
	}
	got, total := map[string]uint64{}, uint64(0)
	for _, row := range rows {
		n, err := numbers(row[1:])
		if err != nil {
			return fmt.Errorf("ask for the counts: %w", err)
		}
		got[row[0]] = n[0]
		total += n[0]
	}
	for key, n := range want {
		if got[key] != n {
			complain("the counts of %s add up to %d, want %d", key, got[key], n)
		}
	}
	if len(got) != len(want) {
		complain("counts of %d services and levels, want %d", len(got), len(want))
	}
	s.print("counts of lines by service and level: %s in all", count(int(total)))
	return nil
}

// verifyNothingElse looks for what could not be read, and counts what came twice.
func (s *soak) verifyNothingElse(ctx context.Context, complain func(string, ...any)) error {
	aside, err := s.engine.Rows(ctx, asidesQuery)
	if err != nil {
		return fmt.Errorf("ask for the asides: %w", err)
	}
	if aside[0][0] != "0" {
		complain("%s entries were put aside", aside[0][0])
	}
	lag, err := s.lag(ctx)
	if err != nil {
		return fmt.Errorf("ask for the lag: %w", err)
	}
	if lag != 0 {
		complain("lag: %d", lag)
	}
	letters, err := s.producer.end(ctx, deadLetters)
	if err != nil {
		return err
	}
	if letters > 0 {
		complain("%d dead letters", letters)
	}
	rows, err := s.engine.Rows(ctx, twiceQuery)
	if err != nil {
		return fmt.Errorf("ask for what came twice: %w", err)
	}
	twice, err := numbers(rows[0])
	if err != nil {
		return fmt.Errorf("ask for what came twice: %w", err)
	}
	s.print("delivered again and appended again: %s lines, %s deploys, %s alerts, and what killed processes did not finish",
		count(int(twice[0])), count(int(twice[1])), count(int(twice[2])))
	return nil
}

func numbers(texts []string) ([]uint64, error) {
	all := make([]uint64, len(texts))
	for i, text := range texts {
		if text == "NULL" {
			continue // a sum of nothing
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, err
		}
		all[i] = n
	}
	return all, nil
}
