package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ttlChanges says what must be done to make the tables' TTL what the schema
// wants. A table that does not exist is left out.
func (s schema) ttlChanges(ctx context.Context, conn driver.Conn) ([]Change, error) {
	rows, err := conn.Query(ctx, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
	if err != nil {
		return nil, fmt.Errorf("read the tables' TTL: %w", err)
	}
	defer rows.Close()
	engines := map[string]string{}
	for rows.Next() {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return nil, fmt.Errorf("read the tables' TTL: %w", err)
		}
		engines[name] = engine
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the tables' TTL: %w", err)
	}
	var changes []Change
	ages := s.ages()
	for _, table := range slices.Sorted(maps.Keys(ages)) {
		if engine, ok := engines[s.local(table)]; ok {
			changes = append(changes, s.ttlChange(table, ttlOf(engine), ages[table])...)
		}
	}
	return changes, nil
}

// ttlChange is what makes one table's TTL what it should be.
func (s schema) ttlChange(table string, got foundTTL, want tableTTL) []Change {
	if !got.other && got.age == want.age.Truncate(time.Second) {
		return nil
	}
	why := fmt.Sprintf("TTL of %s: %s now, %s wanted", table, got, foundTTL{age: want.age})
	alter := "ALTER TABLE " + s.local(table)
	if on := s.on(); on != "" {
		alter += " " + on
	}
	if want.age == 0 {
		return []Change{{Why: why, SQL: alter + " REMOVE TTL"}}
	}
	changes := []Change{{Why: why, SQL: alter + " MODIFY TTL " + want.expression() + " SETTINGS materialize_ttl_after_modify = 0"}}
	if got.other || (got.age != 0 && got.age < want.age) {
		// Parts remember until when they are kept: those that there are would go
		// at the time that they were given.
		changes = append(changes, Change{Why: why + ", for what is stored already", SQL: alter + " MATERIALIZE TTL"})
	}
	return changes
}

// foundTTL is a table's TTL: an age, 0 for none, or something else that somebody
// set.
type foundTTL struct {
	age   time.Duration
	other bool
}

func (t foundTTL) String() string {
	switch {
	case t.other:
		return "an expression of somebody's own"
	case t.age == 0:
		return "none"
	case t.age%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", t.age/(24*time.Hour))
	}
	return t.age.String()
}

var (
	ttlClause = regexp.MustCompile(`\bTTL (.+?)(?: SETTINGS |$)`)
	ttlAge    = regexp.MustCompile(`^[a-zA-Z_()]+ \+ toIntervalSecond\((\d+)\)$`)
)

// ttlOf reads the TTL out of a table's definition.
func ttlOf(engine string) foundTTL {
	clause := ttlClause.FindStringSubmatch(engine)
	if clause == nil {
		return foundTTL{}
	}
	if age := ttlAge.FindStringSubmatch(clause[1]); age != nil {
		if seconds, err := strconv.ParseInt(age[1], 10, 64); err == nil && seconds < int64(1<<62/time.Second) {
			return foundTTL{age: time.Duration(seconds) * time.Second}
		}
	}
	return foundTTL{other: true}
}
