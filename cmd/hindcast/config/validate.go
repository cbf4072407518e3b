package config

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
)

// validate yields what is wrong, by key.
func (c *Config) validate() iter.Seq2[string, string] {
	return func(yield func(key, message string) bool) {
		v := &validation{yield: yield}
		c.validateNames(v)
		c.validateTimes(v)
		c.validateRetention(v)
		v.joined("limits", c.Limits.Validate())
		v.regexp("github.deploy_workflows", c.GitHub.DeployWorkflows)
		for i, secret := range c.GitHub.Secrets {
			v.notEmpty(fmt.Sprintf("github.secrets[%d]", i), secret)
		}
	}
}

// validation stops to yield when its reader has enough.
type validation struct {
	yield   func(key, message string) bool
	stopped bool
}

func (v *validation) report(key, format string, args ...any) {
	if !v.stopped {
		v.stopped = !v.yield(key, fmt.Sprintf(format, args...))
	}
}

func (v *validation) oneOf(key, got string, want ...string) {
	if !slices.Contains(want, got) {
		v.report(key, "%q is none of %s", clip(got), strings.Join(want, ", "))
	}
}

func (v *validation) notEmpty(key, got string) {
	if got == "" {
		v.report(key, "must not be empty")
	}
}

func (v *validation) regexp(key, pattern string) {
	if _, err := regexp.Compile(pattern); err != nil {
		v.report(key, "%v", err)
	}
}

// joined reports errors that were joined and each begin with the key that they
// are about, below a section.
func (v *validation) joined(section string, err error) {
	var all []error
	switch joined := err.(type) {
	case nil:
		return
	case interface{ Unwrap() []error }:
		all = joined.Unwrap()
	default:
		all = []error{err}
	}
	for _, err := range all {
		key, message, _ := strings.Cut(err.Error(), " ")
		v.report(section+"."+key, "%s", message)
	}
}

func (c *Config) validateNames(v *validation) {
	for i, words := range c.Severities {
		if len(words) == 0 {
			v.report(fmt.Sprintf("severities[%d]", i), "a rank needs at least one word")
		}
	}
	for i, r := range c.Receivers {
		key := fmt.Sprintf("receivers[%d]", i)
		v.notEmpty(key+".name", r.Name)
		v.oneOf(key+".class", r.Class, "page", "chat", "self", "heartbeat", "other")
	}
	for i, d := range c.Topology {
		key := fmt.Sprintf("topology[%d]", i)
		v.notEmpty(key+".service", d.Service)
		for j, callee := range d.Calls {
			v.notEmpty(fmt.Sprintf("%s.calls[%d]", key, j), callee)
		}
	}
	for i, p := range c.Phrases {
		key := fmt.Sprintf("phrases[%d]", i)
		v.oneOf(key+".means", p.Means, "acknowledges", "remedies", "reports", "resolves")
		v.notEmpty(key+".pattern", p.Pattern)
		v.regexp(key+".pattern", p.Pattern)
	}
}

func (c *Config) validateTimes(v *validation) {
	for _, d := range []struct {
		key string
		got time.Duration
	}{
		{"link_within", c.LinkWithin}, {"quiet_period", c.QuietPeriod}, {"seal_after", c.SealAfter},
		{"chronic_after", c.ChronicAfter}, {"flap_window", c.FlapWindow}, {"storm_window", c.StormWindow},
		{"cause_within", c.CauseWithin},
	} {
		if d.got <= 0 {
			v.report(d.key, "must be longer than 0")
		}
	}
	if c.FlapFirings < 2 {
		v.report("flap_firings", "must be 2 or more, got %d", c.FlapFirings)
	}
	if c.StormNotifications < 2 {
		v.report("storm_notifications", "must be 2 or more, got %d", c.StormNotifications)
	}
	if c.SealAfter > 0 && c.SealAfter < c.QuietPeriod {
		v.report("seal_after", "%s is shorter than quiet_period (%s)", FormatDuration(c.SealAfter), FormatDuration(c.QuietPeriod))
	}
}

// validateRetention keeps facts at least until the incidents that need them
// are sealed.
func (c *Config) validateRetention(v *validation) {
	for _, r := range []struct {
		key  string
		kept time.Duration
	}{{"retention.lines", c.Retention.Lines}, {"retention.counts", c.Retention.Counts}, {"retention.events", c.Retention.Events}} {
		if r.kept != 0 && r.kept <= c.SealAfter {
			v.report(r.key, "%s is not longer than seal_after (%s): incidents would lose their evidence before they are sealed",
				FormatDuration(r.kept), FormatDuration(c.SealAfter))
		}
	}
}
