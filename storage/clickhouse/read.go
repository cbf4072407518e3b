package clickhouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// read begins a read that Close waits for, and bounds its time. The caller calls
// end when it is over.
func (s *Store) read(ctx context.Context) (bounded context.Context, end func(), err error) {
	leave, err := s.life.Enter()
	if err != nil {
		return nil, nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, queryTimeout)
	return bounded, func() { cancel(); leave() }, nil
}

// shown selects the rows of sources that no later content of their chunk
// replaced.
const shown = "source NOT IN (SELECT source FROM replaced FINAL WHERE hidden)"

// finalByPartition makes FINAL cheap: the partitions of the tables that merge
// are functions of their keys, so equal keys never lie in two of them.
const finalByPartition = " SETTINGS do_not_merge_across_partitions_select_final = 1"

// bytesLiteral is a text of any bytes in SQL.
func bytesLiteral(text string) string {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return fmt.Sprintf("unhex('%x')", text)
		}
	}
	return quoteText(text)
}

// inList is a list in SQL, for IN. There must be one at least.
func inList[T any](values []T, literal func(T) string) string {
	var b strings.Builder
	for i, v := range values {
		b.WriteByte("(,"[min(i, 1)])
		b.WriteString(literal(v))
	}
	b.WriteByte(')')
	return b.String()
}

func number[T int32 | int64 | uint64](n T) string { return fmt.Sprint(n) }

// distinct is the values in ascending order, each once.
func distinct[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return slices.Compact(values)
}
