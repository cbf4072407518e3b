package correlate

import (
	"slices"
	"strings"
)

// The classes of receivers. Only page, chat and, with less confidence, other
// reach people.
const (
	classPage      = "page"
	classChat      = "chat"
	classSelf      = "self"
	classHeartbeat = "heartbeat"
	classOther     = "other"
)

var receiverClasses = []string{classPage, classChat, classSelf, classHeartbeat, classOther}

// receiverWords tell a receiver's class by its name, integrationClass by the
// type of its integration. A name counts more: it says what it is for.
var receiverWords = []struct {
	class string
	words []string
}{
	{classSelf, []string{"hindcast"}},
	{classHeartbeat, []string{"heartbeat", "watchdog", "deadman", "deadmans", "snitch", "healthchecks", "dms", "null", "blackhole", "devnull"}},
	{classPage, []string{"page", "pager", "paging", "pagerduty", "opsgenie", "victorops", "splunkoncall", "oncall", "incidentio", "rootly", "firehydrant", "ilert", "squadcast", "sms", "phone", "call", "critical", "urgent"}},
	{classChat, []string{"chat", "slack", "teams", "msteams", "discord", "mattermost", "rocketchat", "telegram", "webex", "googlechat", "hangouts", "zulip", "matrix", "irc", "channel"}},
}

var integrationClass = map[string]string{
	"pagerduty": classPage, "opsgenie": classPage, "victorops": classPage, "pushover": classPage, "incidentio": classPage,
	"slack": classChat, "msteams": classChat, "msteamsv2": classChat, "discord": classChat, "telegram": classChat,
	"webex": classChat, "rocketchat": classChat, "mattermost": classChat, "wechat": classChat,
}

// receiverClass is the class of a receiver: as configured, else guessed from
// its name and its integration.
func (c *Config) receiverClass(name, integration string) string {
	if i := slices.IndexFunc(c.Receivers, func(r ReceiverClass) bool { return r.Name == name }); i >= 0 && c.Receivers[i].Class != "" {
		return c.Receivers[i].Class
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	words = append(words, strings.Join(words, ""))
	for _, rule := range receiverWords {
		if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(rule.words, w) }) {
			return rule.class
		}
	}
	if class := integrationClass[strings.ToLower(integration)]; class != "" {
		return class
	}
	for _, rule := range receiverWords {
		for _, w := range rule.words {
			if len(w) > 4 && slices.ContainsFunc(words, func(have string) bool { return strings.Contains(have, w) }) {
				return rule.class
			}
		}
	}
	return classOther
}

// personOf is whom a receiver tells, as configured; "" when nobody said.
func (c *Config) personOf(receiver string) string {
	for _, r := range c.Receivers {
		if r.Name == receiver {
			return r.Person
		}
	}
	return ""
}
