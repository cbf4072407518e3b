package delivery

import (
	"net/url"
	"strconv"
	"strings"
)

// Mark is what is committed for a partition: the offset, and in its metadata
// the rest. Everything below Offset is durable.
type Mark struct {
	Offset int64
	// Until, when it is greater than Offset, says that [Offset, Until) is about
	// to be appended as one chunk, or was.
	Until int64
	// Sum is a checksum of the records of [Offset, Until), in 8 hex digits; ""
	// when it is not known.
	Sum string
	// Topic is the topic's ID; "" when it is not known.
	Topic string
}

// Pending reports whether a range is about to be appended, or was.
func (m Mark) Pending() bool { return m.Until > m.Offset }

const (
	markPrefix = "hindcast/1?"
	// maxSpan bounds a range, in offsets. A mark that spans more is not ours.
	maxSpan = 1 << 20
	// maxTopicID bounds a topic's ID in a mark, in bytes. Kafka's have 22, and
	// brokers take 4,096 bytes of metadata.
	maxTopicID = 256
)

// Metadata is the text that goes beside the offset.
func (m Mark) Metadata() string {
	v := url.Values{}
	if m.Topic != "" {
		v.Set("topic", m.Topic)
	}
	if m.Pending() {
		v.Set("until", strconv.FormatInt(m.Until, 10))
		if m.Sum != "" {
			v.Set("sum", m.Sum)
		}
	}
	return markPrefix + v.Encode()
}

// ParseMark reads what [Mark.Metadata] wrote beside an offset. Metadata of
// others, and what makes no sense, is ignored.
func ParseMark(offset int64, metadata string) Mark {
	m := Mark{Offset: offset}
	text, ours := strings.CutPrefix(metadata, markPrefix)
	if !ours {
		return m
	}
	v, err := url.ParseQuery(text)
	if err != nil {
		return m
	}
	if topic := v.Get("topic"); len(topic) <= maxTopicID {
		m.Topic = topic
	}
	until, err := strconv.ParseInt(v.Get("until"), 10, 64)
	if err != nil || offset < 0 || until <= offset || until-offset > maxSpan {
		return m
	}
	m.Until = until
	if sum := v.Get("sum"); validSum(sum) {
		m.Sum = sum
	}
	return m
}

func validSum(sum string) bool {
	return len(sum) == 8 && strings.Trim(sum, "0123456789abcdef") == ""
}
