package ingest

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/logs"
)

// Limits bounds what receiving may use. Start from [DefaultLimits]: a zero
// field is an error and not "no limit".
type Limits struct {
	// MaxBody is the size of a body as it is sent, in bytes. Default 16 MiB.
	MaxBody int64 `yaml:"max_body"`
	// MaxDecompressed is the size of a body after decompression, in bytes.
	// Default 64 MiB.
	MaxDecompressed int64 `yaml:"max_decompressed"`
	// ReadTimeout is how long a sender may take to send a body. Default 10 s.
	ReadTimeout time.Duration `yaml:"read_timeout"`
	// AsideBytesPerHour is how much may be put aside, in bytes an hour on
	// average; twice that at once. What is beyond is counted and not kept.
	// Default 16 MiB.
	AsideBytesPerHour int64 `yaml:"aside_bytes_per_hour"`
	// AlertBody bounds what one body of alerts or recorder events may hold, and
	// LogBody what one push of log lines may.
	AlertBody alertmanager.Limits `yaml:"alert_body"`
	LogBody   logs.Limits         `yaml:"log_body"`
	// Alerts and Logs bound the two lanes: they share nothing.
	Alerts LaneLimits `yaml:"alerts"`
	Logs   LaneLimits `yaml:"logs"`
}

// LaneLimits bounds one lane.
type LaneLimits struct {
	// Requests is how many may be under way at once, those included whose body
	// is still being read. Default 1024 for alerts, 256 for logs.
	Requests int `yaml:"requests"`
	// Bytes bounds the bodies of all requests under way, in bytes, sent and
	// decompressed ones together. It must hold the largest body as it is sent
	// and, since it grows, one and a half times decompressed. Default 128 MiB.
	Bytes int64 `yaml:"bytes"`
	// Decoding is how many bodies are decoded at once. Default: four a
	// processor for alerts; for logs one less than there are processors, at
	// least one, so that decoding logs cannot keep alerts from a processor.
	Decoding int `yaml:"decoding"`
	// AppendTimeout is how long a decoded body may wait until it is durable.
	// Beyond it the sender is told to try again. Default 5 s for alerts, 20 s
	// for logs.
	AppendTimeout time.Duration `yaml:"append_timeout"`
	// QueueRequests and QueueBytes bound what waits to be appended; bytes as
	// they are estimated from the decoded facts. A single batch larger than
	// QueueBytes is taken when nothing else waits. Default 4096 and 128 MiB for
	// alerts, 512 and 128 MiB for logs.
	QueueRequests int   `yaml:"queue_requests"`
	QueueBytes    int64 `yaml:"queue_bytes"`
	// BatchFacts and BatchBytes close a batch that is being joined. Default
	// 5,000 facts and 8 MiB for alerts, 50,000 and 16 MiB for logs.
	BatchFacts int   `yaml:"batch_facts"`
	BatchBytes int64 `yaml:"batch_bytes"`
	// Linger is how long a batch waits for company when the store could take it
	// at once. Zero: not at all. Default 2 ms for alerts, 20 ms for logs.
	Linger time.Duration `yaml:"linger"`
	// Appends is how many appends may run at once. Default 4 for alerts, 2 for
	// logs.
	Appends int `yaml:"appends"`
}

// DefaultLimits suits a machine with a gigabyte of memory and more.
func DefaultLimits() Limits {
	procs := runtime.GOMAXPROCS(0)
	return Limits{
		MaxBody:           16 << 20,
		MaxDecompressed:   64 << 20,
		ReadTimeout:       10 * time.Second,
		AsideBytesPerHour: 16 << 20,
		AlertBody:         alertmanager.DefaultLimits(),
		LogBody:           logs.DefaultLimits(),
		Alerts: LaneLimits{
			Requests:      1024,
			Bytes:         128 << 20,
			Decoding:      4 * procs,
			AppendTimeout: 5 * time.Second,
			QueueRequests: 4096,
			QueueBytes:    128 << 20,
			BatchFacts:    5_000,
			BatchBytes:    8 << 20,
			Linger:        2 * time.Millisecond,
			Appends:       4,
		},
		Logs: LaneLimits{
			Requests:      256,
			Bytes:         128 << 20,
			Decoding:      max(1, procs-1),
			AppendTimeout: 20 * time.Second,
			QueueRequests: 512,
			QueueBytes:    128 << 20,
			BatchFacts:    50_000,
			BatchBytes:    16 << 20,
			Linger:        20 * time.Millisecond,
			Appends:       2,
		},
	}
}

// Validate says what is wrong with the limits, all of it, by the names that a
// configuration file uses.
func (l Limits) Validate() error {
	var errs []error
	positive := func(name string, v int64) {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("%s must be greater than zero, not %d", name, v))
		}
	}
	positive("max_body", l.MaxBody)
	positive("max_decompressed", l.MaxDecompressed)
	positive("read_timeout", int64(l.ReadTimeout))
	positive("aside_bytes_per_hour", l.AsideBytesPerHour)
	for _, n := range []struct {
		name  string
		value int
	}{
		{"alert_body.entries", l.AlertBody.Entries}, {"alert_body.labels", l.AlertBody.Labels},
		{"alert_body.label_name", l.AlertBody.LabelName}, {"alert_body.label_value", l.AlertBody.LabelValue},
		{"log_body.lines", l.LogBody.Lines}, {"log_body.streams", l.LogBody.Streams},
		{"log_body.line_bytes", l.LogBody.LineBytes}, {"log_body.labels", l.LogBody.Labels},
		{"log_body.label_name", l.LogBody.LabelName}, {"log_body.label_value", l.LogBody.LabelValue},
		{"log_body.patterns", l.LogBody.Patterns},
	} {
		positive(n.name, int64(n.value))
	}
	for lane := range lanes {
		c, in := l.lane(lane), lane.String()+"."
		positive(in+"requests", int64(c.Requests))
		positive(in+"decoding", int64(c.Decoding))
		positive(in+"append_timeout", int64(c.AppendTimeout))
		positive(in+"queue_requests", int64(c.QueueRequests))
		positive(in+"queue_bytes", c.QueueBytes)
		positive(in+"batch_facts", int64(c.BatchFacts))
		positive(in+"batch_bytes", c.BatchBytes)
		positive(in+"appends", int64(c.Appends))
		if c.Linger < 0 {
			errs = append(errs, fmt.Errorf("%slinger must not be negative, not %s", in, c.Linger))
		}
		if need := l.MaxBody + l.MaxDecompressed + (l.MaxDecompressed+1)/2; c.Bytes < need {
			errs = append(errs, fmt.Errorf("%sbytes must hold the largest body, as sent and one and a half times decompressed (%s), not %s", in, FormatSize(need), FormatSize(c.Bytes)))
		}
	}
	return errors.Join(errs...)
}

// lane is the limits of one lane.
func (l *Limits) lane(lane Lane) *LaneLimits {
	if lane == LaneLogs {
		return &l.Logs
	}
	return &l.Alerts
}
