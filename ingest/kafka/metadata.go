package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// topicID tells topics of one name apart. Zero: the broker gave none.
type topicID [16]byte

// String is the ID as Kafka's tools write it; "" for none.
func (id topicID) String() string {
	if id == (topicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// topicMeta is what brokers say of a topic.
type topicMeta struct {
	id         topicID
	partitions int
	err        error
}

// The first versions of the protocol with topic IDs, as far as used here.
const (
	metadataWithIDs = 12
	fetchWithIDs    = 13
	fetchWithNames  = 11
	maxMetadata     = 64 << 20
)

// versions is which requests the cluster understands.
type versions struct{ metadata, fetch int }

func (l *link) versions(ctx context.Context) (versions, error) {
	got, err := l.client.ApiVersions(ctx, &kafkago.ApiVersionsRequest{})
	if err == nil {
		err = got.Error
	}
	if err != nil {
		return versions{}, fmt.Errorf("ask which versions the brokers speak: %w", err)
	}
	var v versions
	for _, api := range got.ApiKeys {
		switch protocol.ApiKey(api.ApiKey) {
		case protocol.Metadata:
			v.metadata = api.MaxVersion
		case protocol.Fetch:
			v.fetch = api.MaxVersion
		}
	}
	return v, nil
}

// withIDs reports whether topics are known by their IDs: Kafka 3.1 and later.
func (v versions) withIDs() bool { return v.metadata >= metadataWithIDs && v.fetch >= fetchWithIDs }

// metadata asks for topics, past kafka-go's cache. Topics that do not exist
// have an error, and are not created by being asked for.
func (l *link) metadata(ctx context.Context, v versions, names []string) (map[string]topicMeta, error) {
	if !v.withIDs() {
		return l.oldMetadata(ctx, names)
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.RequestTimeout)
	defer cancel()
	got, err := l.transport.RoundTrip(ctx, l.client.Addr, &exchange{
		key: protocol.Metadata, version: metadataWithIDs, flexible: true, clientID: l.config.ClientID, most: maxMetadata,
		body: func(e *encoder) {
			e.array(len(names))
			for _, name := range names {
				e.uuid([16]byte{})
				e.string(name)
				e.tags()
			}
			e.int8(0) // create no topics
			e.int8(0) // no list of what is allowed
			e.tags()
		},
	})
	if err != nil {
		return nil, fmt.Errorf("ask for topics: %w", err)
	}
	topics, err := decodeMetadata(&got.(*reply).body)
	if err != nil {
		return nil, fmt.Errorf("ask for topics: %w", err)
	}
	return topics, nil
}

func decodeMetadata(d *decoder) (map[string]topicMeta, error) {
	d.int32() // throttled
	for range d.array(11) {
		d.int32()
		d.string()
		d.int32()
		d.string()
		d.tags()
	}
	d.string() // the cluster's ID
	d.int32()  // the controller
	topics := map[string]topicMeta{}
	for range d.array(24) {
		var t topicMeta
		if code := d.int16(); code != 0 {
			t.err = kafkago.Error(code)
		}
		name := d.string()
		t.id = d.uuid()
		d.take(1) // internal
		t.partitions = d.array(18)
		for range t.partitions {
			d.int16()
			d.int32()
			d.int32()
			d.int32()
			for range 3 {
				d.take(4 * d.array(4))
			}
			d.tags()
		}
		d.int32() // what is allowed
		d.tags()
		topics[name] = t
	}
	return topics, d.err
}

// oldMetadata is that of brokers without topic IDs, as kafka-go has it.
func (l *link) oldMetadata(ctx context.Context, names []string) (map[string]topicMeta, error) {
	got, err := l.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("ask for topics: %w", err)
	}
	topics := map[string]topicMeta{}
	for _, t := range got.Topics {
		topics[t.Name] = topicMeta{partitions: len(t.Partitions), err: t.Error}
	}
	return topics, nil
}

// fetched is the answer to a fetch of one partition.
type fetched struct {
	// end is behind the last record that may be read, and written behind the last
	// one that is there: those of open transactions lie in between.
	end, written int64
	aborted      []aborted
	// batches refers to the response.
	batches []byte
	size    int
}

// fetchRequest asks for one partition of one topic.
type fetchRequest struct {
	topic     string
	id        topicID
	partition int
	from      int64
	maxBytes  int32
	// room is the memory for the response.
	room *loan
}

// mostBesides is what may stand in a response beside records: aborted
// transactions, most of all.
const mostBesides = 1 << 20

// fetch waits a moment when there are no records. An error of the broker is a
// [kafkago.Error]; *oversized says that the response is too large for its room, and
// with a final one comes the beginning of the batches, if it was found.
func (l *link) fetch(ctx context.Context, r fetchRequest) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.FetchWait+l.config.RequestTimeout)
	defer cancel()
	e := &exchange{
		key: protocol.Fetch, version: fetchWithNames, clientID: l.config.ClientID, loan: r.room,
		// A batch that is larger than asked for comes whole.
		most: max(l.config.MaxDecompressed, int64(r.maxBytes)) + mostBesides,
		leader: func(cluster protocol.Cluster) (protocol.Broker, error) {
			return leaderOf(cluster, r.topic, r.partition)
		},
	}
	if r.id != (topicID{}) {
		e.version, e.flexible = fetchWithIDs, true
	}
	e.body = func(out *encoder) { r.encode(out, l.config) }
	got, err := l.transport.RoundTrip(ctx, l.client.Addr, e)
	if err != nil {
		if tooLarge, ok := errors.AsType[*oversized](err); ok && tooLarge.final {
			begun, _ := r.decode(&tooLarge.head)
			return fetched{batches: begun.batches}, err
		}
		return fetched{}, err
	}
	return r.decode(&got.(*reply).body)
}

func leaderOf(cluster protocol.Cluster, topic string, partition int) (protocol.Broker, error) {
	p, ok := cluster.Topics[topic].Partitions[int32(partition)]
	if !ok {
		return protocol.Broker{}, kafkago.UnknownTopicOrPartition
	}
	leader, ok := cluster.Brokers[p.Leader]
	if !ok {
		return protocol.Broker{}, kafkago.LeaderNotAvailable
	}
	return leader, nil
}

// readCommitted hides open transactions, and has the aborted ones told.
const readCommitted = 1

func (r *fetchRequest) encode(e *encoder, c *Config) {
	e.int32(-1) // no replica
	e.int32(int32(c.FetchWait.Milliseconds()))
	e.int32(1) // answer as soon as there is anything
	e.int32(r.maxBytes)
	e.int8(readCommitted)
	e.int32(0) // no session: each fetch stands for itself
	e.int32(-1)
	e.array(1)
	if e.flexible {
		e.uuid(r.id)
	} else {
		e.string(r.topic)
	}
	e.array(1)
	e.int32(int32(r.partition))
	e.int32(-1) // any epoch of the leader
	e.int64(r.from)
	if e.flexible {
		e.int32(-1) // the epoch of what was fetched last
	}
	e.int64(-1) // a follower's log start
	e.int32(r.maxBytes)
	e.tags()
	e.tags()
	e.array(0)   // nothing to forget
	e.string("") // no rack
	e.tags()
}

// decode reads the response. It has exactly one partition, the one that was asked
// for. With an error it gives what of the batches is there.
func (r *fetchRequest) decode(d *decoder) (fetched, error) {
	f := fetched{size: len(d.b)}
	d.int32() // throttled
	code := d.int16()
	d.int32() // the session
	entries := 0
	for range d.array(2) {
		var ours bool
		if d.flexible {
			ours = d.uuid() == r.id
		} else {
			ours = d.string() == r.topic
		}
		for range d.array(34) {
			entries++
			if ours = ours && d.int32() == int32(r.partition); !ours || entries > 1 {
				d.fail()
				break
			}
			if c := d.int16(); code == 0 {
				code = c
			}
			f.written = d.int64()
			f.end = d.int64()
			d.int64() // the log's start
			for range d.array(16) {
				f.aborted = append(f.aborted, aborted{producer: d.int64(), first: d.int64()})
				d.tags()
			}
			d.int32() // a replica to read from
			f.batches = d.bytes()
			d.tags()
		}
		d.tags()
	}
	switch {
	case d.err != nil:
		return f, d.err
	case code != 0:
		return fetched{}, kafkago.Error(code)
	case entries != 1:
		return fetched{}, errBadResponse
	}
	return f, nil
}

// bounds are the first offset of a partition and the end of what may be read.
func (l *link) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	got, err := l.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics:         map[string][]kafkago.OffsetRequest{topic: {kafkago.FirstOffsetOf(partition), kafkago.LastOffsetOf(partition)}},
		IsolationLevel: kafkago.ReadCommitted,
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the first and the last offset: %w", err)
	}
	for _, p := range got.Topics[topic] {
		switch {
		case p.Partition != partition:
		case p.Error != nil:
			return 0, 0, fmt.Errorf("ask for the first and the last offset: %w", p.Error)
		default:
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, errBadResponse
}
