package main

import (
	"regexp"
	"strings"
)

// shared are parts that many queries have. In a query @ and a name, at the end of a
// line, stand for one.
var shared = map[string]string{
	// What the variables choose among incidents.
	"incidents": `$__conditionalAll(hasAny(services, [${service:singlequote}]), $service)
AND $__conditionalAll(severity IN (${severity:singlequote}), $severity)
AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)`,
	// What they choose among alerts.
	"alerts": `$__conditionalAll(service IN (${service:singlequote}), $service)
AND $__conditionalAll(severity IN (${severity:singlequote}), $severity)
AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)`,
	// What they choose among changes, which have no severity.
	"changes": `$__conditionalAll(service IN (${service:singlequote}), $service)
AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)`,
	// The time around an incident's start, for the links to its dashboard.
	"around": `toString(toUnixTimestamp64Milli(started_at - INTERVAL 30 MINUTE)) AS from_ms,
toString(toUnixTimestamp64Milli(started_at + INTERVAL 2 HOUR)) AS to_ms`,
	// What is known of durations; see the table Durations.
	"statistics": `count(seconds) AS n,
if(n >= 5, quantileExactInclusive(0.5)(seconds), NULL) AS median,
if(n >= 5, quantileExactInclusive(0.9)(seconds), NULL) AS p90,
min(seconds) AS least,
max(seconds) AS greatest,
countIf(basis = 'measured') / count() AS measured,
countIf(basis = 'inferred') / count() AS inferred,
countIf(basis = 'human') / count() AS human,
countIf(basis = 'missing') / count() AS missing`,
}

var reference = regexp.MustCompile(`(?m)^(\s*)(.*)@(\w+)(,?)$`)

// expand puts the shared parts in the place of their names, indented as the line is.
func expand(sql string) string {
	return reference.ReplaceAllStringFunc(sql, func(line string) string {
		m := reference.FindStringSubmatch(line)
		return m[1] + m[2] + strings.ReplaceAll(shared[m[3]], "\n", "\n"+m[1]) + m[4]
	})
}
