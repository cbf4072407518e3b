package correlate

import (
	"strings"
	"testing"
)

func TestReceiverClass(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Receivers = []ReceiverClass{{Name: "team-a", Class: classPage, Person: "dana"}, {Name: "slack-hindcast", Class: classChat}, {Name: "named-only", Person: "omar"}}
	for _, test := range []struct{ name, integration, want string }{
		// By name.
		{"pagerduty", "", classPage}, {"pager", "", classPage}, {"team-x-pager", "", classPage}, {"oncall", "", classPage}, {"sre-oncall", "webhook", classPage},
		{"on-call", "", classPage}, {"PagerDuty-EU", "", classPage}, {"opsgenie_prod", "", classPage}, {"splunk-on-call", "", classPage}, {"incident.io", "", classPage},
		{"critical", "", classPage}, {"urgent-sms", "", classPage}, {"payments-page", "", classPage},
		{"slack", "", classChat}, {"slack-payments", "", classChat}, {"ms-teams", "", classChat}, {"msteams-ops", "", classChat}, {"#alerts-channel", "", classChat}, {"discord", "", classChat}, {"team-mattermost", "", classChat},
		{"hindcast", "", classSelf}, {"hindcast", "webhook", classSelf}, {"webhook/hindcast", "webhook", classSelf}, {"to-hindcast-slack", "slack", classSelf},
		{"heartbeat", "", classHeartbeat}, {"deadmanssnitch", "", classHeartbeat}, {"dead-mans-snitch", "", classHeartbeat}, {"watchdog", "pagerduty", classHeartbeat}, {"null", "", classHeartbeat}, {"blackhole", "", classHeartbeat}, {"healthchecks.io", "webhook", classHeartbeat},
		// By integration, where the name says nothing.
		{"team-b", "pagerduty", classPage}, {"team-b", "opsgenie", classPage}, {"team-b", "pushover", classPage}, {"team-b", "victorops", classPage},
		{"team-b", "slack", classChat}, {"team-b", "msteamsv2", classChat}, {"team-b", "telegram", classChat}, {"team-b", "Slack", classChat}, {"default", "discord", classChat},
		{"team-b", "webhook", classOther}, {"team-b", "email", classOther}, {"", "", classOther}, {"default", "", classOther}, {"sns", "sns", classOther},
		// A word within a longer word, when nothing else says better.
		{"mypagerdutyhook", "", classPage}, {"opsslackbridge", "webhook", classChat}, {"hindcast2", "", classSelf},
		{"homepage", "", classOther}, {"callback", "webhook", classOther}, {"ircd", "", classOther},
		// As configured.
		{"team-a", "slack", classPage}, {"slack-hindcast", "", classChat}, {"named-only", "slack", classChat},
	} {
		if got := cfg.receiverClass(test.name, test.integration); got != test.want {
			t.Errorf("receiver %q (%s) is of class %s, want %s", test.name, test.integration, got, test.want)
		}
	}
	for receiver, want := range map[string]string{"team-a": "dana", "named-only": "omar", "slack": ""} {
		if got := cfg.personOf(receiver); got != want {
			t.Errorf("receiver %q tells %q, want %q", receiver, got, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"receivers[0].class":  func(c *Config) { c.Receivers = []ReceiverClass{{Name: "x", Class: "phone"}} },
		"link_within":         func(c *Config) { c.LinkWithin = 0 },
		"quiet_period":        func(c *Config) { c.QuietPeriod = -1 },
		"seal_after":          func(c *Config) { c.SealAfter = 0 },
		"chronic_after":       func(c *Config) { c.ChronicAfter = 0 },
		"flap_firings":        func(c *Config) { c.FlapFirings = 1 },
		"storm_notifications": func(c *Config) { c.StormNotifications = 0 },
		"cause_within":        func(c *Config) { c.CauseWithin = 0 },
	} {
		cfg := DefaultConfig()
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a bad %s: error %v, want one that names it", name, err)
		}
	}
	e := engineWith(t, DefaultConfig())
	bad := DefaultConfig()
	bad.QuietPeriod = 0
	if err := e.Configure(bad); err == nil || e.cfg.QuietPeriod == 0 {
		t.Errorf("a bad configuration replaced the good one: error %v", err)
	}
}
