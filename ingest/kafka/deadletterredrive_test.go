package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// letterRig is a topic of dead letters with one in which they came.
type letterRig struct {
	*DeadLetterTopic
	broker *kafkatest.Admin
	source string
}

func newLetterRig(t *testing.T, broker *kafkatest.Admin) *letterRig {
	t.Helper()
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.MetadataInterval = 50 * time.Millisecond
	c.FetchWait = 50 * time.Millisecond
	c.DeadLetters = broker.Topic(t, 2, nil)
	source := broker.Topic(t, 4, map[string]string{"retention.ms": "-1"})
	c.Topics = []Topic{{Name: source, Format: "deploys"}}
	topic, err := OpenDeadLetters(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(topic.Close)
	return &letterRig{topic, broker, source}
}

// put keeps letters, one at a time.
func (r *letterRig) put(t *testing.T, letters ...delivery.DeadLetter) {
	t.Helper()
	d := newDeadLetters(r.link, r.topic)
	for _, l := range letters {
		if l.Topic == "deploys" {
			l.Topic = r.source
		}
		if err := d.Put(t.Context(), []delivery.DeadLetter{l}); err != nil {
			t.Fatal(err)
		}
	}
}

// scan is the letters by what their value is, and what is said of them.
func (r *letterRig) scan(t *testing.T, since time.Time) (map[string]Letter, map[string]Redriven) {
	t.Helper()
	byValue := map[string]Letter{}
	states, err := r.Scan(t.Context(), since, func(l *Letter) error {
		byValue[string(l.Value)] = *l
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]Redriven{}
	for value, l := range byValue {
		said[value] = states.Redriven(l.Place)
	}
	return byValue, said
}

func TestRedrivesLetters(t *testing.T) {
	testRedrivesLetters(t, &kafkatest.NewFake(t).Admin)
}

func TestRedrivesLettersOfARealBroker(t *testing.T) {
	testRedrivesLetters(t, &kafkatest.Shared(t).Admin)
}

func testRedrivesLetters(t *testing.T, broker *kafkatest.Admin) {
	r := newLetterRig(t, broker)
	if got, _ := r.scan(t, time.Time{}); len(got) != 0 {
		t.Errorf("an empty topic holds %v", got)
	}
	elsewhere := letter("other partition")
	elsewhere.Partition, elsewhere.Record.Headers = 7, []delivery.Header{{Name: headerRedrive, Value: []byte("done")}}
	r.put(t, letter("a"), letter("b"), elsewhere)
	letters, said := r.scan(t, time.Time{})
	if want := map[string]Redriven{"a": NotRedriven, "b": NotRedriven, "other partition": NotRedriven}; !maps.Equal(said, want) {
		t.Fatalf("the topic holds %v, want %v", said, want)
	}
	a := letters["a"]
	want := Letter{
		Place: a.Place, Topic: r.source, Origin: Place{3, 1 << 40}, Format: "deploys", Error: "service: required\uFFFD",
		At: noon.Add(time.Minute), Time: noon.Truncate(time.Millisecond), Key: []byte("k\xff"), Value: []byte("a"),
		Headers: hostileHeaders(),
	}
	if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", a, want)
	}
	if got, err := r.Get(t.Context(), a.Place); err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("at its place: %+v and error %v", got, err)
	}

	sum, err := r.Redrive(t.Context(), []Place{a.Place, letters["other partition"].Place, a.Place}, func(int) {})
	if err != nil || sum != (Redrive{Written: 2}) {
		t.Fatalf("redrove %+v with error %v, want 2", sum, err)
	}
	records := first(t, broker, r.source, 2)
	slices.SortFunc(records, func(x, y *kgo.Record) int { return strings.Compare(string(x.Value), string(y.Value)) })
	for i, value := range []string{"a", "other partition"} {
		got := records[i]
		if string(got.Value) != value || string(got.Key) != "k\xff" || !got.Timestamp.Equal(want.Time) {
			t.Errorf("redrove key %q, value %q of %s", got.Key, got.Value, got.Timestamp)
		}
	}
	if got := headersOf(records[1]); got != headerRedrive+": done\n" {
		t.Errorf("redrove with the headers\n%s", got)
	}
	if got := records[0]; got.Partition != 3 || headersOf(got) != sentText(hostileHeaders()) {
		t.Errorf("redrove to partition %d, with the headers\n%s", got.Partition, headersOf(got))
	}
	// It is known then.
	if _, said = r.scan(t, time.Time{}); said["a"] != WasRedriven || said["b"] != NotRedriven || said["other partition"] != WasRedriven {
		t.Errorf("then they are %v", said)
	}
	if got, _ := r.scan(t, noon.Add(2*time.Minute)); len(got) != 0 {
		t.Errorf("since later than all: %v", got)
	}
	if got, _ := r.scan(t, noon); len(got) != 3 {
		t.Errorf("since earlier than all: %v", got)
	}
	for name, place := range map[string]Place{
		"behind the end": {a.Place.Partition, 1 << 50}, "no partition": {9, 0}, "a mark": {a.Place.Partition, lastOffset(t, r, a.Place.Partition)},
	} {
		if _, err := r.Get(t.Context(), place); !errors.Is(err, ErrNoLetter) {
			t.Errorf("%s: error is %v, want ErrNoLetter", name, err)
		}
		if _, err := r.Redrive(t.Context(), []Place{place}, func(int) {}); err == nil {
			t.Errorf("%s: it was redriven", name)
		}
	}
}

// A record that is redriven and fails again and again stays as it was.
func TestLettersDoNotGrow(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	l := letter("again")
	for len(l.Record.Headers) < mostHeaders {
		l.Record.Headers = append(l.Record.Headers, delivery.Header{Name: "more", Value: []byte("x")})
	}
	want := sentText(l.Record.Headers)
	source := &fetcher{
		link: r.link, topic: r.source, partition: 3, doubt: func() {},
		share: &share{budget: newBudget(r.link.config.Memory, 1, r.link.config.FetchBytes)},
	}
	defer source.close()
	for round := range 3 {
		r.put(t, l)
		letters, _ := r.scan(t, time.Time{})
		if _, err := r.Redrive(t.Context(), []Place{letters["again"].Place}, func(int) {}); err != nil {
			t.Fatal(err)
		}
		got, err := source.Fetch(t.Context(), int64(round), int64(round)+1)
		if err != nil || len(got.Records) != 1 {
			t.Fatalf("got %d records and error %v", len(got.Records), err)
		}
		if headers := sentText(got.Records[0].Headers); headers != want {
			t.Fatalf("round %d: redrove with the headers\n%s\nwant\n%s", round, headers, want)
		}
		l.Record = got.Records[0] // as the consumer has it
	}
}

// A record that has more headers than are kept cannot be whole again.
func TestLettersWithTooManyHeaders(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	l := letter("many")
	l.Record.HeadersLeft = 36
	r.put(t, l)
	letters, _ := r.scan(t, time.Time{})
	got := letters["many"]
	if want := fmt.Sprintf("all but %d of %d headers", len(hostileHeaders()), len(hostileHeaders())+36); got.Cut != want || r.Redrivable(&got) == nil {
		t.Errorf("it lacks %q and may be redriven (%v), want %q", got.Cut, r.Redrivable(&got), want)
	}
	if headers := sentText(got.Headers); headers != sentText(hostileHeaders()) {
		t.Errorf("it is read with the headers\n%s", headers)
	}
}

// What others put into the topic, whatever it looks like, is not taken for ours.
func TestForeignLetters(t *testing.T) {
	for name, headers := range map[string][]delivery.Header{
		"none": nil, "a topic": {{Name: headerTopic, Value: []byte("deploys")}, {Name: headerPartition, Value: []byte("0")}, {Name: headerOffset, Value: []byte("1")}},
		"ours behind another": {{Name: "x"}, {Name: headerTopic, Value: []byte("deploys")}, {Name: headerPartition, Value: []byte("0")}, {Name: headerOffset, Value: []byte("1")}, {Name: headerOwn, Value: []byte("0")}},
	} {
		l := letterOf(Place{}, &delivery.Record{Headers: headers})
		if l.Topic != "" || len(l.Headers) != len(headers) || new(DeadLetterTopic).Redrivable(&l) == nil {
			t.Errorf("%s: read as of topic %q with %d headers", name, l.Topic, len(l.Headers))
		}
	}
}

// Where a letter goes is not for whoever wrote it to say.
func TestRedrivesOnlyToTopicsOfItsOwn(t *testing.T) {
	fake := kafkatest.NewFake(t)
	other := fake.Topic(t, 1, map[string]string{"retention.ms": "-1"})
	r := newLetterRig(t, &fake.Admin)
	elsewhere, loop := letter("elsewhere"), letter("loop")
	elsewhere.Topic, loop.Topic = other, r.topic
	r.put(t, elsewhere, loop)
	letters, _ := r.scan(t, time.Time{})
	for _, l := range letters {
		if sum, err := r.Redrive(t.Context(), []Place{l.Place}, func(int) {}); err == nil || sum.Written != 0 {
			t.Errorf("redrove %+v to topic %q, which is not in the configuration", sum, l.Topic)
		}
	}
	r.Allow(other)
	r.Allow(r.topic)
	if sum, err := r.Redrive(t.Context(), []Place{letters["elsewhere"].Place}, func(int) {}); err != nil || sum.Written != 1 {
		t.Errorf("to a topic that is allowed: redrove %+v with error %v", sum, err)
	}
	if _, err := r.Redrive(t.Context(), []Place{letters["loop"].Place}, func(int) {}); err == nil {
		t.Error("a letter was redriven to the topic of dead letters")
	}
}

func lastOffset(t *testing.T, r *letterRig, partition int) int64 {
	t.Helper()
	_, end, err := r.link.bounds(t.Context(), r.topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	return end - 1
}

// What cannot be whole again, or is not ours, is left.
func TestRedrivesOnlyWholeLetters(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	large := letter(string(noise(1, 1_500_000)))
	r.put(t, large)
	foreign := &kgo.Record{Topic: r.topic, Partition: 0, Value: []byte("foreign")}
	if err := fake.Client(t).ProduceSync(t.Context(), foreign).FirstErr(); err != nil {
		t.Fatal(err)
	}
	letters, _ := r.scan(t, time.Time{})
	for _, l := range letters {
		if _, err := r.Redrive(t.Context(), []Place{l.Place}, func(int) {}); err == nil {
			t.Errorf("a letter with the note %q of topic %q was redriven", l.Cut, l.Topic)
		}
	}
	if len(letters) != 2 {
		t.Errorf("%d letters, want 2", len(letters))
	}
}

// A letter that is older than its topic keeps gets a new time.
func TestRedrivesOldLetters(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	if err := fake.Configure(t.Context(), r.source, map[string]string{"retention.ms": "3600000"}); err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Time { return noon.Add(50 * time.Minute) }
	r.put(t, letter("old"))
	letters, _ := r.scan(t, time.Time{})
	sum, err := r.Redrive(t.Context(), []Place{letters["old"].Place}, func(int) {})
	if err != nil || sum != (Redrive{Written: 1, Retimed: 1}) {
		t.Fatalf("redrove %+v with error %v", sum, err)
	}
	if got := first(t, &fake.Admin, r.source, 1)[0].Timestamp; got.Before(r.now()) {
		t.Errorf("its time is %s", got)
	}
}

// Many letters are redriven in lots. Where one fails, it is known which are
// redriven and which perhaps; going on is right.
func TestRedrivingCanFailAndGoOn(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	const n = 250
	var batch []delivery.DeadLetter
	for i := range n {
		l := letter(fmt.Sprint(i))
		l.Topic = r.source
		batch = append(batch, l)
	}
	if err := newDeadLetters(r.link, r.topic).Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	letters, _ := r.scan(t, time.Time{})
	var places []Place
	for _, l := range letters {
		places = append(places, l.Place)
	}
	fault := fake.Cluster.Fault(kfake.Fault{Topic: r.source, Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, When: allButFirst()})
	var told []int
	sum, err := r.Redrive(t.Context(), places, func(done int) { told = append(told, done) })
	if err == nil || sum.Written != 100 || !slices.Equal(told, []int{100}) || fault.Hits() != 1 {
		t.Fatalf("redrove %+v with error %v, told %v", sum, err, told)
	}
	_, said := r.scan(t, time.Time{})
	count := map[Redriven]int{}
	for _, state := range said {
		count[state]++
	}
	if want := map[Redriven]int{WasRedriven: 100, PerhapsRedriven: 100, NotRedriven: 50}; !maps.Equal(count, want) {
		t.Errorf("then %v, want %v", count, want)
	}

	// An interruption ends between lots.
	ctx, cancel := context.WithCancelCause(t.Context())
	errStop := errors.New("stop")
	sum, err = r.Redrive(ctx, places, func(int) { cancel(errStop) })
	if !errors.Is(err, errStop) || sum.Written != 100 {
		t.Errorf("interrupted: redrove %+v with error %v", sum, err)
	}
	if sum, err = r.Redrive(t.Context(), places, func(int) {}); err != nil || sum.Written != n {
		t.Errorf("redrove %+v with error %v, want all", sum, err)
	}
}

// allButFirst leaves out the first request, about which it may be asked often.
func allButFirst() func(kmsg.Request) bool {
	var passed kmsg.Request
	return func(r kmsg.Request) bool {
		if passed == nil {
			passed = r
		}
		return r != passed
	}
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]Place{"0/0": {0, 0}, "12/9007199254740993": {12, 9007199254740993}} {
		var got Place
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %v and error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "/", "1/", "/1", "-1/0", "0/-1", "0/1/2", "99999999999/0", "a/b"} {
		if err := new(Place).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a place", text)
		}
	}
}
