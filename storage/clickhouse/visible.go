package clickhouse

import "fmt"

// Which revisions readers see is said here, for the store and for the views.
//
// A revision is visible when no claim greater than its own was made until it was
// written: what a fenced owner writes late is there, and nobody sees it. The
// engine's clock decides, which stamps claims and revisions when it inserts
// them. What was visible once stays so: claims to come are made later. Of an
// incident's visible revisions the one with the greatest claim counts, of those
// the owner's last; when that one is retired there is no such incident.

// fences are the claims with the time at which the first greater one was made,
// NULL for the latest.
const fences = "(SELECT epoch, owner, min(made_at) OVER (ORDER BY epoch, owner ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS fenced_at " +
	"FROM (SELECT epoch, owner, toNullable(min(claimed_at)) AS made_at FROM claims GROUP BY epoch, owner))"

// visible is a SELECT of columns of the visible revisions that a condition
// holds for. "incident IN" and comparisons of incident in the condition use the
// table's order.
func (s schema) visible(columns, where string) string {
	return fmt.Sprintf("SELECT %s FROM revisions %s INNER JOIN %s AS fences USING (epoch, owner) "+
		"WHERE (fenced_at IS NULL OR at < fenced_at) AND (%s)", columns, s.global(), fences, where)
}

// place orders an incident's revisions; the greatest of the visible ones is the
// latest.
const place = "(epoch, owner, seq)"

// latestOf is [schema.latest] with the condition for visible revisions that
// [Store.watched] gives.
func latestOf(visible, aggregates, where, having string) string {
	return latestFrom("revisions WHERE "+visible+" AND ("+where+")", aggregates, having)
}

// latest is a SELECT of the incident, epoch, owner and seq of the latest visible
// revisions of the incidents that where selects, and of further aggregates,
// grouped by incident. An aggregate takes a column of the latest revision by
// [ofLatest]. Having chooses by these; "" takes all, retired ones too.
func (s schema) latest(aggregates, where, having string) string {
	return latestFrom("("+s.visible("*", where)+")", aggregates, having)
}

func latestFrom(visible, aggregates, having string) string {
	if aggregates != "" {
		aggregates = ", " + aggregates
	}
	if having != "" {
		having = " HAVING " + having
	}
	return "SELECT incident, max(" + place + ") AS last, last.1 AS last_epoch, last.2 AS last_owner, last.3 AS last_seq" + aggregates +
		" FROM " + visible + " GROUP BY incident" + having
}

// ofLatest is the aggregate of an expression for the latest revision.
func ofLatest(expression string) string { return "argMax(" + expression + ", " + place + ")" }

// isLatest is the condition that a row of revisions is the latest visible one
// of its incident and not retired, for the incidents that where selects and the
// aggregates that having chooses.
func (s schema) isLatest(where, having string) string {
	if having != "" {
		having = " AND (" + having + ")"
	}
	return "(incident, epoch, owner, seq) " + s.global() + " IN (SELECT incident, last_epoch, last_owner, last_seq FROM (" +
		s.latest(ofLatest("retired")+" AS was_retired", where, "NOT was_retired"+having) + "))"
}
