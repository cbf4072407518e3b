package kafka

import (
	"context"
	"errors"
)

// checkDeadLetters says once when the topic of dead letters could not take any: else
// that is found out by the first record that needs it, whose partition then waits.
// Brokers that create topics by themselves do not create this one, as nobody asks
// them to. It returns when that is known, or ctx is done.
func (c *Consumer) checkDeadLetters(ctx context.Context, l *link) {
	topic := c.options.Config.DeadLetters
	for ctx.Err() == nil {
		ask, cancel := context.WithTimeout(ctx, c.options.Config.RequestTimeout)
		settings, err := describeTopic(ask, l.client, topic, c.options.Config.Brokers)
		cancel()
		switch {
		case errors.Is(err, ErrUnavailable): // which is said elsewhere
			pause(ctx, c.options.Config.JoinBackoff)
			continue
		case err != nil:
			c.logger.Warn("dead letters cannot be kept: a record that cannot be decoded would stop its partition", "topic", topic, "err", err)
		case settings.compacted:
			c.logger.Warn("dead letters cannot be kept: a record that cannot be decoded would stop its partition", "topic", topic,
				"err", "the topic is compacted, which would delete them; set its cleanup.policy to delete")
		}
		return
	}
}
