// Package ingest takes facts in: it receives what senders post over HTTP,
// decodes it, and answers 2xx only when it is durable.
//
// In the flow it stands between the senders and the store. A [Format] says
// how one sort of body is decoded; the table of formats ([DefaultFormats]) is
// shared by the HTTP receivers and by every other road that carries the same
// bodies. [Receivers] serves the formats that have a path. What was decoded
// goes to an [Appender]: to a [Batcher], which joins batches, bounds what
// waits and keeps alerts and logs in lanes of their own, and from there to the
// store, or to Kafka where facts are forwarded (ingest/kafka). Before either a
// [Meter] stands, which counts what became durable; what is consumed from Kafka
// passes it as well.
//
// Alerts never wait for logs: each [Lane] has its own admission, its own
// memory, its own queue and its own appends. Where something must give way,
// logs do first.
package ingest

import (
	"context"

	"github.com/hindcast/hindcast/ingest/event"
)

// Appender takes a batch of facts. Nil means that the batch is durable; an
// error means that nothing, part or all of it may be, and that appending it
// again is right. It may be called concurrently.
type Appender interface {
	Append(ctx context.Context, batch event.Batch) error
}

// AppenderFunc makes an Appender of a function.
type AppenderFunc func(ctx context.Context, batch event.Batch) error

// Append calls the function.
func (f AppenderFunc) Append(ctx context.Context, batch event.Batch) error { return f(ctx, batch) }

// Lane is a way through ingest with capacity of its own. The zero Lane is
// LaneAlerts.
type Lane uint8

// The lanes. LaneAlerts carries everything that is not log lines: alerts,
// recorder events, changes, messages.
const (
	LaneAlerts Lane = iota
	LaneLogs
	lanes
)

// String is the lane's name in metrics: alerts or logs.
func (l Lane) String() string {
	if l == LaneLogs {
		return "logs"
	}
	return "alerts"
}

// laneOf is the lane that a batch belongs in: log lines make it a log batch.
func laneOf(b *event.Batch) Lane {
	if len(b.Chunks) > 0 {
		return LaneLogs
	}
	return LaneAlerts
}
