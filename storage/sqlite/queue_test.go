package sqlite

import (
	"errors"
	"slices"
	"testing"

	"github.com/hindcast/hindcast/storage"
)

func TestQueueOrder(t *testing.T) {
	q := newQueue(1000)
	names := make(map[*job]string)
	push := func(name string, c class, alone bool) {
		t.Helper()
		j := &job{class: c, bytes: 1, alone: alone}
		names[j] = name
		if err := q.push(j); err != nil {
			t.Fatalf("push %s: %v", name, err)
		}
	}
	next := func() string {
		j, _ := q.next()
		return names[j]
	}
	push("log 1", bulk, false)
	push("log 2", bulk, false)
	push("alert 1", urgent, false)
	push("alert 2", urgent, false)
	push("publish", urgent, true)
	push("alert 3", urgent, false)
	got := []string{next(), names[q.more(urgent)]}
	if j := q.more(urgent); j != nil {
		t.Errorf("a job that wants a transaction of its own joined another: %s", names[j])
	}
	got = append(got, next())
	if j := q.more(bulk); j != nil {
		t.Errorf("logs went on while an alert waited: %s", names[j])
	}
	got = append(got, next(), next(), names[q.more(bulk)])
	if want := []string{"alert 1", "alert 2", "publish", "alert 3", "log 1", "log 2"}; !slices.Equal(got, want) {
		t.Errorf("order: got %v, want %v", got, want)
	}

	// A storm of alerts does not stop the logs.
	push("log", bulk, false)
	for range 3 * bulkBurst {
		push("alert", urgent, false)
	}
	waited := 0
	for next() != "log" {
		waited++
	}
	if waited > bulkBurst {
		t.Errorf("the log waited for %d transactions, want at most %d", waited, bulkBurst)
	}
	q.close()
	for range 3*bulkBurst - waited {
		if _, ok := q.next(); !ok {
			t.Fatal("a closed queue gave up jobs that wait")
		}
	}
	if _, ok := q.next(); ok {
		t.Error("an empty, closed queue gave a job")
	}
}

func TestQueueBounds(t *testing.T) {
	q := newQueue(100)
	push := func(c class, bytes int64) (*job, error) {
		j := &job{class: c, bytes: bytes, done: make(chan error, 1)}
		return j, q.push(j)
	}
	large, err := push(bulk, 500)
	if err != nil {
		t.Errorf("a job larger than the queue, when nothing waits: got error %v", err)
	}
	if _, err := push(urgent, 1); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("push to a full queue: got error %v, want %v", err, storage.ErrUnavailable)
	}
	q.finish(large, nil)
	if _, err := push(bulk, 70); err != nil {
		t.Errorf("push: %v", err)
	}
	if _, err := push(bulk, 10); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("logs in the room that is kept for alerts: got error %v, want %v", err, storage.ErrUnavailable)
	}
	if _, err := push(urgent, 10); err != nil {
		t.Errorf("an alert in the room that is kept for it: %v", err)
	}
	if _, bytes := q.depth(); bytes != 80 {
		t.Errorf("got %d bytes in the queue, want 80", bytes)
	}
	q.close()
	if _, err := push(urgent, 1); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("push to a closed queue: got error %v, want %v", err, storage.ErrUnavailable)
	}
}
