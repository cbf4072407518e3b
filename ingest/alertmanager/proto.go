package alertmanager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/eventrecorder/eventrecorderpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hindcast/hindcast/ingest/event"
)

// DecodeEventProto decodes one event of the event recorder in protobuf, as the
// recorder writes it to Kafka. It gives the same facts as the JSON of the same
// event, which is also what Raw holds: the way through JSON costs time, and
// spares a second reading of every type of event that could differ from the
// first.
func (d Decoder) DecodeEventProto(body []byte, receivedAt time.Time) (event.Batch, error) {
	if len(body) == 0 {
		return event.Batch{}, &event.Malformed{Reason: "the body is empty"}
	}
	var e eventrecorderpb.Event
	if err := proto.Unmarshal(body, &e); err != nil {
		return event.Batch{}, &event.Malformed{Reason: fmt.Sprintf("not an event in protobuf: %v", err)}
	}
	text, err := protojson.Marshal(&e)
	if err != nil {
		return event.Batch{}, &event.Malformed{Reason: fmt.Sprintf("not an event of the recorder: %v", err)}
	}
	// protojson varies its white space from build to build, on purpose.
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return event.Batch{}, &event.Malformed{Reason: fmt.Sprintf("not an event of the recorder: %v", err)}
	}
	return d.DecodeEvents(compact.Bytes(), receivedAt)
}
