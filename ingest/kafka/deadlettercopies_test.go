package kafka

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// A record that was kept twice is one letter: whichever copy is redriven, all are.
func TestCopiesOfALetterAreOne(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	again := letter("twice")
	again.At, again.Error, again.Format = again.At.Add(time.Hour), "another reason", "messages"
	r.put(t, letter("twice"), letter("once"), again, again, again)
	var copies []Place
	scan := func() *States {
		t.Helper()
		copies = nil
		states, err := r.Scan(t.Context(), time.Time{}, func(l *Letter) error {
			if string(l.Value) == "twice" {
				copies = append(copies, l.Place)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return states
	}
	states := scan()
	if _, ok := states.CopyOf(copies[0]); ok || states.First(copies[0]) != copies[0] {
		t.Errorf("the first letter, at %s, is taken for a copy", copies[0])
	}
	for _, at := range copies[1:] {
		if first, ok := states.CopyOf(at); !ok || first != copies[0] || states.First(at) != first {
			t.Errorf("the letter at %s is a copy of %s (%v), want of %s", at, first, ok, copies[0])
		}
	}
	if len(states.copies) != 3 {
		t.Errorf("%d letters are copies, want 3", len(states.copies))
	}
	if _, err := r.Redrive(t.Context(), []Place{copies[2]}, func(int) {}); err != nil {
		t.Fatal(err)
	}
	states = scan()
	for _, at := range copies {
		if got := states.Redriven(at); got != WasRedriven {
			t.Errorf("after one of them was, the letter at %s is redriven: %s", at, got)
		}
	}
}

// Whatever belongs to the record tells letters apart: a topic that was created again
// gives others the same places.
func TestLettersOfOtherRecordsAreNoCopies(t *testing.T) {
	of := func(change func(*delivery.DeadLetter)) letterID {
		l := letter("x")
		change(&l)
		r := letterRecord(&l, 1<<20)
		headers := make([]delivery.Header, len(r.headers))
		for i, h := range r.headers {
			headers[i] = delivery.Header{Name: h.Key, Value: h.Value}
		}
		kept := letterOf(Place{}, &delivery.Record{Key: r.key, Value: r.value, Headers: headers})
		return idOf(&kept)
	}
	same := of(func(*delivery.DeadLetter) {})
	for name, change := range map[string]func(*delivery.DeadLetter){
		"topic":     func(l *delivery.DeadLetter) { l.Topic = "other" },
		"partition": func(l *delivery.DeadLetter) { l.Partition++ },
		"offset":    func(l *delivery.DeadLetter) { l.Offset++ },
		"time":      func(l *delivery.DeadLetter) { l.Record.Time = l.Record.Time.Add(time.Millisecond) },
		"no time":   func(l *delivery.DeadLetter) { l.Record.Time = time.Time{} },
		"key":       func(l *delivery.DeadLetter) { l.Record.Key = nil },
		"value":     func(l *delivery.DeadLetter) { l.Record.Value = []byte("y") },
		"no value":  func(l *delivery.DeadLetter) { l.Record.Value = nil },
		"header":    func(l *delivery.DeadLetter) { l.Record.Headers[0].Value = nil },
		"headers":   func(l *delivery.DeadLetter) { l.Record.Headers = l.Record.Headers[1:] },
		"cut":       func(l *delivery.DeadLetter) { l.Record.HeadersLeft = 1 },
	} {
		if of(change) == same {
			t.Errorf("another %s: taken for a copy", name)
		}
	}
	for name, change := range map[string]func(*delivery.DeadLetter){
		"format": func(l *delivery.DeadLetter) { l.Format = "other" },
		"error":  func(l *delivery.DeadLetter) { l.Error = "other" },
		"at":     func(l *delivery.DeadLetter) { l.At = l.At.Add(time.Hour) },
	} {
		if of(change) != same {
			t.Errorf("another %s: not taken for a copy", name)
		}
	}
}
