package kafka

import (
	"testing"

	kafkago "github.com/segmentio/kafka-go"
)

// A watcher asks any broker, and one may lag behind another.
func TestWatchedTopic(t *testing.T) {
	a, b := topicID{1}, topicID{2}
	missing := topicMeta{err: kafkago.UnknownTopicOrPartition}
	for name, c := range map[string]struct {
		told    []topicMeta
		want    topicState
		refused string
	}{
		"there":                   {told: []topicMeta{{id: a, partitions: 3}}, want: topicState{a, 3, 3}},
		"not there":               {told: []topicMeta{missing}, refused: refusedMissing},
		"came later":              {told: []topicMeta{missing, {id: a, partitions: 3}}, want: topicState{a, 3, 0}},
		"more partitions":         {told: []topicMeta{{id: a, partitions: 3}, {id: a, partitions: 5}}, want: topicState{a, 5, 3}},
		"fewer, of a laggard":     {told: []topicMeta{{id: a, partitions: 3}, {id: a, partitions: 5}, {id: a, partitions: 3}}, want: topicState{a, 5, 3}},
		"unknown to one":          {told: []topicMeta{{id: a, partitions: 3}, missing, missing}, want: topicState{a, 3, 3}},
		"gone":                    {told: []topicMeta{{id: a, partitions: 3}, missing, missing, missing}, refused: refusedMissing},
		"no leader":               {told: []topicMeta{{id: a, partitions: 3}, {err: kafkago.LeaderNotAvailable}}, want: topicState{a, 3, 3}},
		"made anew":               {told: []topicMeta{{id: a, partitions: 3}, {id: b, partitions: 1}}, want: topicState{b, 1, 0}},
		"made anew, of a laggard": {told: []topicMeta{{id: a, partitions: 3}, {id: b, partitions: 1}, {id: a, partitions: 3}}, want: topicState{b, 1, 0}},
		"gone, of a laggard":      {told: []topicMeta{{id: a, partitions: 3}, missing, missing, missing, {id: a, partitions: 3}}, refused: refusedMissing},
		"no ID, of an old broker": {told: []topicMeta{{id: a, partitions: 3}, {partitions: 3}}, want: topicState{a, 3, 3}},
		"not allowed":             {told: []topicMeta{{err: kafkago.TopicAuthorizationFailed}}, refused: refusedUnauthorized},
		"allowed later":           {told: []topicMeta{{err: kafkago.TopicAuthorizationFailed}, {id: a, partitions: 1}}, want: topicState{a, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			k := &watched{retired: map[topicID]bool{}}
			for _, m := range c.told {
				k.found(m)
			}
			if k.state != c.want || k.refused != c.refused {
				t.Errorf("got %+v, refused %q; want %+v, refused %q", k.state, k.refused, c.want, c.refused)
			}
		})
	}
}
