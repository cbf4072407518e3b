package kafka

import (
	"fmt"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"pgregory.net/rapid"
)

func TestSpreadIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var topics []string
		var partitions []kafkago.Partition
		for i := range rapid.IntRange(1, 6).Draw(t, "topics") {
			topics = append(topics, fmt.Sprintf("topic-%d", i))
			for p := range rapid.IntRange(1, 5).Draw(t, "partitions") {
				partitions = append(partitions, kafkago.Partition{Topic: topics[i], ID: p})
			}
		}
		var members []kafkago.GroupMember
		for i := range rapid.IntRange(1, 5).Draw(t, "members") {
			members = append(members, kafkago.GroupMember{ID: fmt.Sprintf("m%d", i), Topics: topics})
		}
		shuffled := rapid.Permutation(members).Draw(t, "in another order")
		got, again := spread{}.AssignGroups(members, partitions), spread{}.AssignGroups(shuffled, rapid.Permutation(partitions).Draw(t, "too"))
		if fmt.Sprint(got) != fmt.Sprint(again) {
			t.Errorf("two members come to %v and %v", got, again)
		}
		all, least, most := 0, len(partitions), 0
		for _, m := range members {
			n := 0
			for _, ids := range got[m.ID] {
				n += len(ids)
			}
			all, least, most = all+n, min(least, n), max(most, n)
		}
		if all != len(partitions) || most-least > 1 {
			t.Errorf("%d of %d partitions, from %d to %d a member", all, len(partitions), least, most)
		}
	})
}

// A member gets partitions of no topic that it does not want, as while a new
// topic is known to some only.
func TestSpreadHeedsTopics(t *testing.T) {
	got := spread{}.AssignGroups(
		[]kafkago.GroupMember{{ID: "a", Topics: []string{"x"}}, {ID: "b", Topics: []string{"x", "y"}}},
		[]kafkago.Partition{{Topic: "y", ID: 0}, {Topic: "x", ID: 0}, {Topic: "y", ID: 1}, {Topic: "z", ID: 0}},
	)
	if want := "map[a:map[x:[0]] b:map[y:[0 1]]]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
