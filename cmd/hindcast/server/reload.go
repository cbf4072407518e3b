package server

import (
	"context"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/storage/clickhouse"
)

// reloadMetrics tell whether the file on disk is the one in force.
type reloadMetrics struct {
	successful prometheus.Gauge
	at         prometheus.Gauge
}

func newReloadMetrics(registerer prometheus.Registerer) *reloadMetrics {
	factory := promauto.With(registerer)
	m := &reloadMetrics{
		successful: factory.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_config_last_reload_successful",
			Help: "1 when the configuration was read the last time it was tried, else 0.",
		}),
		at: factory.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last read.",
		}),
	}
	m.successful.Set(1)
	m.at.SetToCurrentTime()
	return m
}

// Reload reads the configuration file and puts it in force. When it is bad,
// the old configuration stays, and the error says why. The limits of receiving
// change with a restart only; a change of them is logged.
func (s *Server) Reload(ctx context.Context, file string) error {
	next, err := config.Load(file)
	if err == nil {
		err = s.apply(ctx, next)
	}
	if err != nil {
		s.reloads.successful.Set(0)
		return err
	}
	s.reloads.successful.Set(1)
	s.reloads.at.SetToCurrentTime()
	return nil
}

func (s *Server) apply(ctx context.Context, next config.Config) error {
	if s.pollers != nil {
		if err := s.pollers.set(next); err != nil {
			return err
		}
	}
	if s.runner != nil {
		if err := s.runner.Reload(ctx, next.Config); err != nil {
			return err
		}
		s.retention.policy.Store(&next.Retention)
	}
	s.formats.set(next)
	if !reflect.DeepEqual(next.Limits, s.options.Config.Limits) {
		s.options.Logger.Warn("limits have changed in the configuration; they take effect at the next start")
	}
	if next.ClickHouse != s.options.Config.ClickHouse {
		s.options.Logger.Warn("clickhouse has changed in the configuration; it takes effect at the next start")
	}
	if next.Forward != s.options.Config.Forward {
		s.options.Logger.Warn("forward has changed in the configuration; it takes effect at the next start")
	}
	if !reflect.DeepEqual(next.Kafka, s.options.Config.Kafka) {
		s.options.Logger.Warn("kafka has changed in the configuration; it takes effect at the next start")
	}
	if next.Retention != s.options.Config.Retention && clickhouse.IsDSN(s.options.Store) {
		s.options.Logger.Warn("the retention is another than at the start: run hindcast migrate, so that the tables' own TTL follows it")
	}
	return nil
}
