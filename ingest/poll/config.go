package poll

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/config"
)

// Config lists the Alertmanagers to ask. The zero Config asks none.
type Config struct {
	Alertmanagers []Alertmanager `yaml:"alertmanagers"`
}

// Alertmanager is one Alertmanager to ask. Of a cluster every member may be
// listed, and one is enough.
type Alertmanager struct {
	// URL is where it is served, with its route prefix if it has one.
	URL string `yaml:"url"`
	// Name stands for it in facts and metrics. Default: its URL.
	Name string `yaml:"name,omitempty"`
	// Interval is how often it is asked. Default 15 s.
	Interval time.Duration `yaml:"interval,omitempty"`
	// Timeout is how long one round of questions may take. Default 10 s.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// HTTPClientConfig is how to talk to it, in the words of Prometheus'
	// configuration: basic_auth, authorization, tls_config, proxy_url,
	// http_headers and so on.
	HTTPClientConfig config.HTTPClientConfig `yaml:",inline"`
}

// Defaults of an Alertmanager's settings, and the shortest interval.
const (
	DefaultInterval = 15 * time.Second
	DefaultTimeout  = 10 * time.Second
	minInterval     = time.Second
)

// UnmarshalYAML fills in the defaults.
func (a *Alertmanager) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Alertmanager
	*a = Alertmanager{Interval: DefaultInterval, Timeout: DefaultTimeout, HTTPClientConfig: config.DefaultHTTPClientConfig}
	return unmarshal((*plain)(a))
}

// Validate checks the configuration and says which entry is wrong.
func (c *Config) Validate() error {
	names := make(map[string]bool)
	for i := range c.Alertmanagers {
		a := &c.Alertmanagers[i]
		if err := a.validate(); err != nil {
			return fmt.Errorf("alertmanagers[%d]: %w", i, err)
		}
		if names[a.name()] {
			return fmt.Errorf("alertmanagers[%d]: another one is named %q too", i, a.name())
		}
		names[a.name()] = true
	}
	return nil
}

func (a *Alertmanager) validate() error {
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "":
		return errors.New("url is missing")
	case err != nil:
		return errors.New("url is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("url %q: want http://HOST:PORT or https://HOST:PORT", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("url %q: put the user and the password into basic_auth", u.Redacted())
	case a.Interval != 0 && a.Interval < minInterval:
		return fmt.Errorf("interval %s is shorter than %s", a.Interval, minInterval)
	case a.Timeout < 0:
		return fmt.Errorf("timeout %s is negative", a.Timeout)
	}
	return a.HTTPClientConfig.Validate()
}

func (a *Alertmanager) name() string {
	if a.Name != "" {
		return a.Name
	}
	return a.URL
}
