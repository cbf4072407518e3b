package kafka

import (
	"cmp"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
)

// spread shares out the partitions of all topics together, so that many small
// topics do not all come to the first member, as they do where each topic is
// shared out by itself.
type spread struct{}

var _ kafkago.GroupBalancer = spread{}

func (spread) ProtocolName() string      { return "hindcast-spread" }
func (spread) UserData() ([]byte, error) { return nil, nil }

// AssignGroups gives each partition to the member that has the fewest among
// those that want its topic. Every member would come to the same result.
func (spread) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	members, partitions = slices.Clone(members), slices.Clone(partitions)
	slices.SortFunc(members, func(a, b kafkago.GroupMember) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(partitions, func(a, b kafkago.Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	assigned := make(kafkago.GroupMemberAssignments, len(members))
	has := make(map[string]int, len(members))
	for _, m := range members {
		assigned[m.ID] = map[string][]int{}
	}
	for _, p := range partitions {
		best := ""
		for _, m := range members {
			if slices.Contains(m.Topics, p.Topic) && (best == "" || has[m.ID] < has[best]) {
				best = m.ID
			}
		}
		if best != "" {
			assigned[best][p.Topic] = append(assigned[best][p.Topic], p.ID)
			has[best]++
		}
	}
	return assigned
}
