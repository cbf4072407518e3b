package clickhouse

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/hindcast/hindcast/ingest/event"
)

// viewFuncs are what the SQL of the views is filled in with, beside what the
// migrations know:
//
//	id "c"          an ID as its 26 characters, "" for the zero one
//	ids "c"         an array of IDs likewise
//	hex64 "e"       a number of 64 bits as 16 hex digits
//	time "j" "k"    the time under a key of a JSON object, NULL when there is none
//	label "m" "r"   what a map of labels says of a role: service, environment, severity
//	global          GLOBAL in a cluster: its subqueries run once, not on each node
//	latest          the condition that a revision is the one that counts
//	hidden          the sources of lines and counts that were replaced
func (s schema) viewFuncs() template.FuncMap {
	return template.FuncMap{
		"id": idText, "ids": idTexts, "hex64": hex64, "time": jsonTime, "label": labelOf,
		"global": s.global,
		"latest": func() string { return s.isLatest("true", "") },
		"hidden": func() string { return "(SELECT source FROM replaced FINAL WHERE hidden)" },
	}
}

// idText is the expression of an ID's text, as [event.ID.String] writes it:
// five bits at a time, from the greatest. The first of them are three only: the
// engine shifts the sign in.
func idText(column string) string {
	return fmt.Sprintf("if(%[1]s = toFixedString('', 16), '', arrayStringConcat(arrayMap(shift -> substring('0123456789ABCDEFGHJKMNPQRSTVWXYZ', "+
		"toUInt8(bitAnd(bitShiftRight(reinterpretAsUInt128(reverse(%[1]s)), shift), if(shift = 125, 7, 31))) + 1, 1), range(125, -1, -5))))", column)
}

func idTexts(column string) string {
	return "arrayMap(one -> " + idText("one") + ", " + column + ")"
}

func hex64(expression string) string {
	return "leftPad(lower(hex(" + expression + ")), 16, '0')"
}

func jsonTime(object, key string) string {
	return fmt.Sprintf("parseDateTime64BestEffortOrNull(JSONExtractString(%s, %s), 9, 'UTC')", object, quoteText(key))
}

// labelOf is the first of the labels of a role that has a value, else empty. The
// views know the names that hindcast knows by itself, not those of a
// configuration.
func labelOf(labels, role string) (string, error) {
	names := event.DefaultLabelMap()
	list, ok := map[string][]string{"service": names.Service, "environment": names.Environment, "severity": names.Severity}[role]
	if !ok {
		return "", fmt.Errorf("labels have no role %q", role)
	}
	for i, name := range list {
		list[i] = quoteText(name)
	}
	value := fmt.Sprintf("arrayFirst(value -> value != '', arrayMap(name -> %s[name], [%s]))", labels, strings.Join(list, ", "))
	if role == "severity" {
		value = "lower(" + value + ")"
	}
	return value, nil
}

func (s schema) global() string {
	if s.cluster == "" {
		return ""
	}
	return "GLOBAL"
}
