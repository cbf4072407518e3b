package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var asidesTable = []insertColumn{
	{"id", "FixedString(16)"}, {"received_at", "SimpleAggregateFunction(any, DateTime64(9, 'UTC'))"},
	{"road", "SimpleAggregateFunction(any, LowCardinality(String))"}, {"class", "SimpleAggregateFunction(any, LowCardinality(String))"},
	{"reason", "SimpleAggregateFunction(any, String)"}, {"raw", "SimpleAggregateFunction(any, String)"},
}

// asideRows builds columns of what was put aside.
type asideRows struct {
	id                       [][]byte
	receivedAt               []time.Time
	road, class, reason, raw []string
}

func (r *asideRows) columns() []any {
	return []any{r.id, r.receivedAt, r.road, r.class, r.reason, r.raw}
}

// asideInserts are the inserts of what was put aside. Of one ID the first row
// stays.
func asideInserts(list []event.Aside) []tableInsert {
	var rows dealer[asideRows]
	known := make(map[event.ID]bool, len(list))
	for i := range list {
		a := &list[i]
		if known[a.ID] {
			continue
		}
		known[a.ID] = true
		r := rows.builder(monthOf(a.ID))
		r.id = append(r.id, a.ID[:])
		r.receivedAt = append(r.receivedAt, inRange(a.ReceivedAt))
		r.road = append(r.road, string(a.Road))
		r.class = append(r.class, a.Class)
		r.reason = append(r.reason, a.Reason)
		r.raw = append(r.raw, string(a.Raw))
	}
	return inserts("asides", asidesTable, rows.blocks((*asideRows).columns))
}
