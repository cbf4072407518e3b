package clickhouse

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

var eventsTable = []insertColumn{
	{"id", "FixedString(16)"}, {"kind", "SimpleAggregateFunction(any, LowCardinality(String))"},
	{"occurred_at", "SimpleAggregateFunction(any, DateTime64(9, 'UTC'))"}, {"received_at", "SimpleAggregateFunction(min, DateTime64(9, 'UTC'))"},
	{"road", "SimpleAggregateFunction(any, LowCardinality(String))"}, {"instance", "SimpleAggregateFunction(any, LowCardinality(String))"},
	{"service", "SimpleAggregateFunction(any, LowCardinality(String))"}, {"environment", "SimpleAggregateFunction(any, LowCardinality(String))"},
	{"body", "SimpleAggregateFunction(any, String)"}, {"raw", "SimpleAggregateFunction(any, String)"},
}

// eventRow is an event with what it is stored as: its JSON without the payload.
type eventRow struct {
	event event.Event
	body  []byte
}

func encodeEvent(e *event.Event) (eventRow, error) {
	bare := *e
	bare.Raw = nil
	body, err := json.Marshal(&bare)
	if err != nil {
		return eventRow{}, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return eventRow{*e, body}, nil
}

// eventRows builds columns of events.
type eventRows struct {
	id, body, raw                              [][]byte
	kind, road, instance, service, environment []string
	occurredAt, receivedAt                     []time.Time
}

func (r *eventRows) columns() []any {
	return []any{r.id, r.kind, r.occurredAt, r.receivedAt, r.road, r.instance, r.service, r.environment, r.body, r.raw}
}

// eventInserts are the inserts of events, each ID once.
func eventInserts(events []eventRow) []tableInsert {
	var rows dealer[eventRows]
	for i := range events {
		e := &events[i].event
		r := rows.builder(monthOf(e.ID))
		r.id = append(r.id, e.ID[:])
		r.kind = append(r.kind, string(e.Kind))
		r.occurredAt = append(r.occurredAt, inRange(e.OccurredAt))
		r.receivedAt = append(r.receivedAt, inRange(e.ReceivedAt))
		r.road = append(r.road, string(e.Road))
		r.instance = append(r.instance, e.Instance)
		r.service = append(r.service, e.Service)
		r.environment = append(r.environment, e.Environment)
		r.body = append(r.body, events[i].body)
		r.raw = append(r.raw, e.Raw)
	}
	return inserts("events", eventsTable, rows.blocks((*eventRows).columns))
}

// joinEvents keeps, of events with one ID, the first one's content and the
// least time of receipt.
func joinEvents(list []eventRow) []eventRow {
	return facts.Join(list,
		func(e *eventRow) event.ID { return e.event.ID },
		func(first, again *eventRow) {
			if again.event.ReceivedAt.Before(first.event.ReceivedAt) {
				first.event.ReceivedAt = again.event.ReceivedAt
			}
		})
}
