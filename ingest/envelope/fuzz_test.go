package envelope

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

func FuzzDecodeJSON(f *testing.F) {
	for _, example := range append(examples(f), readme(f)...) {
		f.Add([]byte(example))
		f.Add([]byte(example + "\n" + example))
		f.Add([]byte("[" + example + ",{}]"))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		check(t, body, Decoder{}.DecodeJSON)
	})
}

func FuzzDecodeProto(f *testing.F) {
	for _, example := range examples(f) {
		batch, err := Decoder{}.DecodeJSON([]byte(example), received)
		if err != nil {
			f.Fatal(err)
		}
		body, err := EncodeProto(batch)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		check(t, body, Decoder{}.DecodeProto)
	})
}

func check(t *testing.T, body []byte, decode func([]byte, time.Time) (event.Batch, error)) {
	t.Helper()
	batch, err := decode(body, received)
	var malformed *event.Malformed
	if err != nil && !errors.As(err, &malformed) {
		t.Fatalf("error is %v, want a Malformed", err)
	}
	if err != nil && len(batch.Events)+len(batch.Observations)+len(batch.Chunks) > 0 {
		t.Fatal("facts beside the error")
	}
	for _, e := range batch.Events {
		if !event.InRange(e.OccurredAt) || e.ReceivedAt.After(received) || (len(e.Raw) > 0 && !json.Valid(e.Raw)) {
			t.Fatalf("event is %+v", e)
		}
	}
	if _, err := EncodeProto(batch); err != nil {
		t.Fatalf("what was decoded cannot be encoded: %v", err)
	}
	if _, err := EncodeJSON(batch); err != nil {
		t.Fatalf("what was decoded cannot be encoded: %v", err)
	}
}
