package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// membership is being a member of the group in one generation. It is over when
// the generation is, and broken when a commit was sent and not answered: it may
// arrive yet, after later ones. Then the member leaves, and comes back as
// another one, so that the old one's commits are refused.
type membership struct {
	link       *link
	group      string
	generation int
	member     string
	over       atomic.Bool
	// broken is called once at least.
	broken func(error)
}

// offsets is a partition's place in the group.
type offsets struct {
	in        *membership
	topic     string
	id        topicID
	partition int
	seen      *marks
}

// marks is what this process knows to have been committed. Brokers forget the
// offsets of a topic that is deleted; when another one of its name takes its
// place, only this tells that there was one before.
type marks struct {
	mu sync.Mutex
	of map[place]reached
}

// reached is how far a topic is committed, and how far it went when that was learnt
// last; -1: it was not.
type reached struct {
	mark delivery.Mark
	end  int64
}

func (m *marks) put(at place, mark delivery.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[place]reached{}
	}
	r, ok := m.of[at]
	if !ok || r.mark.Topic != mark.Topic {
		r.end = -1
	}
	r.mark = mark
	m.of[at] = r
}

// before is what was committed of another topic of the same name.
func (m *marks) before(at place, now topicID) (delivery.Mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mark := m.of[at].mark
	return mark, mark.Topic != "" && now != (topicID{}) && mark.Topic != now.String()
}

// ends tells how far the topic goes of which something is committed.
func (m *marks) ends(at place, end int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.of[at]; ok {
		r.end = end
		m.of[at] = r
	}
}

// all reports whether all that was known of a topic, by its ID, is committed.
func (m *marks) all(at place, id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.of[at]
	return ok && r.mark.Topic == id && r.end >= 0 && r.mark.Offset >= r.end
}

func (o *offsets) place() place { return place{o.topic, o.partition} }

var _ delivery.Offsets = (*offsets)(nil)

// Committed implements [delivery.Offsets].
func (o *offsets) Committed(ctx context.Context) (delivery.Mark, bool, error) {
	if o.in.over.Load() {
		return delivery.Mark{}, false, delivery.ErrLost
	}
	got, err := o.in.link.client.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{
		GroupID: o.in.group, Topics: map[string][]int{o.topic: {o.partition}},
	})
	if err == nil {
		err = got.Error
	}
	if err != nil {
		return delivery.Mark{}, false, err
	}
	for _, p := range got.Topics[o.topic] {
		switch {
		case p.Partition != o.partition:
		case p.Error != nil:
			return delivery.Mark{}, false, p.Error
		case p.CommittedOffset < 0:
			mark, ok := o.seen.before(o.place(), o.id)
			return mark, ok, nil
		default:
			mark := delivery.ParseMark(p.CommittedOffset, p.Metadata)
			o.seen.put(o.place(), mark)
			return mark, true, nil
		}
	}
	return delivery.Mark{}, false, errBadResponse
}

// Commit implements [delivery.Offsets]. Once begun it waits for the answer,
// whatever becomes of ctx: a commit whose fate is not known costs the
// membership.
func (o *offsets) Commit(ctx context.Context, mark delivery.Mark) error {
	in := o.in
	if in.over.Load() || ctx.Err() != nil {
		return delivery.ErrLost
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.link.config.commitTimeout())
	defer cancel()
	got, err := in.link.client.OffsetCommit(ctx, &kafkago.OffsetCommitRequest{
		GroupID: in.group, GenerationID: in.generation, MemberID: in.member,
		Topics: map[string][]kafkago.OffsetCommit{o.topic: {{Partition: o.partition, Offset: mark.Offset, Metadata: mark.Metadata()}}},
	})
	if err != nil {
		if answered(err) {
			return err
		}
		in.over.Store(true)
		in.broken(fmt.Errorf("commit offset %d of %s/%d: %w", mark.Offset, o.topic, o.partition, err))
		return delivery.ErrLost
	}
	for _, p := range got.Topics[o.topic] {
		if p.Partition == o.partition {
			if p.Error == nil {
				o.seen.put(o.place(), mark)
			}
			return in.refused(p.Error)
		}
	}
	return errBadResponse
}

// refused tells the end of a generation from what may pass.
func (m *membership) refused(err error) error {
	for _, over := range []kafkago.Error{kafkago.IllegalGeneration, kafkago.UnknownMemberId, kafkago.RebalanceInProgress, kafkago.FencedInstanceID} {
		if errors.Is(err, over) {
			m.over.Store(true)
			return fmt.Errorf("%w: %w", delivery.ErrLost, err)
		}
	}
	return err
}

// answered reports of an error that nothing is on its way to the broker: it
// said no, or was never asked.
func answered(err error) bool {
	var broker kafkago.Error
	var network *net.OpError
	return errors.As(err, &broker) || errors.As(err, &network) && network.Op == "dial" || errors.Is(err, errClosed)
}
