package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/hindcast/hindcast/ingest/event"
)

// Input is one body to decode.
type Input struct {
	// Body is decompressed, but for what the format itself compresses. The
	// decoder may keep parts of it in what it returns.
	Body []byte
	// ReceivedAt is when the body came, in UTC.
	ReceivedAt time.Time
	// Header is what came beside the body: a request's header, or that of a
	// Kafka record. It may be nil.
	Header http.Header
	// Defaults are labels that hold for what the body does not say: known from
	// where it came, as a Kafka topic. Service and environment are found in them
	// as in any labels. They may be nil.
	Defaults event.Labels
}

// Decoder turns a body into facts. It does no I/O. What of the body it could
// not use is in the batch's asides; when it could use nothing, the error is an
// [event.Malformed], and the batch's asides count all the same.
type Decoder func(Input) (event.Batch, error)

// ErrTooMuch is what the error of a decoder, or of an [Appender], wraps when a
// body is well formed and holds more than is taken at once: its sender should
// split it.
var ErrTooMuch = errors.New("the body holds too much")

// Format is one sort of body that hindcast takes: what it is called, how it is
// decoded, and where it is posted. A sender is added by adding a Format; every
// road that carries bodies has it then.
type Format struct {
	// Name is unique; configuration uses it ("alertmanager-events").
	Name string
	Road event.Road
	Lane Lane
	// Decode is never nil.
	Decode Decoder
	// Snappy says that a body is a block of snappy, which Decode opens. Its
	// decoded length is checked before.
	Snappy bool
	// Join makes one chunk of log lines of those of several bodies, in their
	// order, as if they had been one body. A road that has many small bodies
	// uses it. Nil: the chunks of a body have IDs of their own, which stay.
	Join func([]event.Chunk) event.Chunk

	// Path is where it is posted; "" when it is not taken over HTTP. Formats
	// with one path are told apart by media type.
	Path string
	// Types are its media types, the usual one first. "" stands for none being
	// named.
	Types []string
	// Hint tells a person what to post there, and from where.
	Hint  string
	Reply Reply
	// Verify checks a body as it was sent against its header before it is
	// decoded, with the secrets that the format was made with. An error means
	// that the sender is not who it says. Nil: no check.
	Verify func(header http.Header, sent []byte) error
}

// Take decodes a body, as every road does that has one. The error, an
// [event.Malformed] for the most part, means that nothing of the body could be
// used; the batch's asides count all the same.
func (f *Format) Take(in Input) (event.Batch, error) {
	if len(in.Body) == 0 {
		return event.Batch{}, &event.Malformed{Reason: "the body is empty"}
	}
	batch, err := f.Decode(in)
	// An envelope may carry what was put aside elsewhere.
	if err == nil && f.Road != event.RoadEnvelope && len(batch.Asides) > 0 && batch.Len() == len(batch.Asides) {
		field, reason := splitReason(batch.Asides[0].Reason)
		err = &event.Malformed{Field: field, Reason: reason}
	}
	return batch, err
}

// DecodedSize is how much memory a body takes that is opened, in bytes: its own
// length, unless the format compresses. It reads no more than the body's head,
// and a body can lie: Decode refuses what is more than it takes at once.
func (f *Format) DecodedSize(body []byte) int64 {
	if f.Snappy {
		if n, err := s2.DecodedLen(body); err == nil {
			return int64(n)
		}
	}
	return int64(len(body))
}

// Reply is how a receiver answers a body of which something could be used.
type Reply uint8

const (
	// ReplySummary is 200 with the number of facts and what was put aside.
	ReplySummary Reply = iota
	// ReplyStrict is 200, but 400 when any entry was bad, as Alertmanager's API
	// answers. The good ones are kept.
	ReplyStrict
	// ReplyEmpty is 204 without a body, as Loki answers.
	ReplyEmpty
)

// Formats is a table of formats.
type Formats []Format

// Named finds a format.
func (f Formats) Named(name string) (Format, bool) {
	for _, format := range f {
		if format.Name == name {
			return format, true
		}
	}
	return Format{}, false
}

// validate reports formats that cannot be told apart or used.
func (f Formats) validate() error {
	names, types := map[string]bool{}, map[string]bool{}
	var errs []error
	for _, format := range f {
		if format.Name == "" || format.Decode == nil || format.Road == "" {
			errs = append(errs, fmt.Errorf("format %q: name, road and decoder are needed", format.Name))
		}
		if names[format.Name] {
			errs = append(errs, fmt.Errorf("format %q: the name is taken", format.Name))
		}
		names[format.Name] = true
		if format.Path == "" {
			continue
		}
		if len(format.Types) == 0 {
			errs = append(errs, fmt.Errorf("format %q: no media types", format.Name))
		}
		for _, t := range format.Types {
			if types[format.Path+" "+t] {
				errs = append(errs, fmt.Errorf("format %q: %s takes %q already", format.Name, format.Path, t))
			}
			types[format.Path+" "+t] = true
		}
	}
	return errors.Join(errs...)
}
