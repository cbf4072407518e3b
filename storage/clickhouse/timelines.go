package clickhouse

type owners struct{}

type recentTimelines struct{}

func newRecentTimelines() *recentTimelines { return &recentTimelines{} }
