package correlate

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Validate says all that is wrong with a configuration, naming the keys.
func (c *Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"link_within", c.LinkWithin}, {"quiet_period", c.QuietPeriod}, {"seal_after", c.SealAfter},
		{"chronic_after", c.ChronicAfter}, {"flap_window", c.FlapWindow}, {"late_detection", c.LateDetection},
		{"notified_late", c.NotifiedLate}, {"no_acknowledgement", c.NoAcknowledgement},
		{"storm_window", c.StormWindow}, {"cause_within", c.CauseWithin},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be greater than zero", d.key))
		}
	}
	if c.FlapFirings < 2 {
		errs = append(errs, errors.New("flap_firings: must be at least 2"))
	}
	if c.StormNotifications < 2 {
		errs = append(errs, errors.New("storm_notifications: must be at least 2"))
	}
	for i, r := range c.Receivers {
		if r.Class != "" && !slices.Contains(receiverClasses, r.Class) {
			errs = append(errs, fmt.Errorf("receivers[%d].class: %q is none of page, chat, self, heartbeat, other", i, r.Class))
		}
	}
	if _, err := compilePhrases(c.Phrases); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
