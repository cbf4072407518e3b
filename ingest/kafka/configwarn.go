package kafka

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Warnings are what is valid and shows secrets to others all the same, as
// sentences that begin with the key. They name no secret.
func (c *Config) Warnings() []string {
	secret := map[string]string{MechanismPlain: "password", MechanismOAuthBearer: "token"}[c.SASL.Mechanism]
	if secret == "" {
		return nil
	}
	var list []string
	if away := c.away(); !c.TLS.Enabled && away != "" {
		list = append(list, fmt.Sprintf("tls.enabled: %s sends the %s to %s without TLS, for everybody in between to read; set it to true, or use the mechanism %s, which sends no password",
			c.SASL.Mechanism, secret, away, MechanismScramSHA512))
	}
	if c.TLS.InsecureSkipVerify {
		list = append(list, fmt.Sprintf("tls.insecure_skip_verify: %s sends the %s to whoever answers in a broker's place; name the authorities in tls.ca_file instead", c.SASL.Mechanism, secret))
	}
	return list
}

// away is the first broker that is not on this machine; "" for none.
func (c *Config) away() string {
	for _, broker := range c.Brokers {
		if host, _, err := net.SplitHostPort(broker); err != nil || !loopback(host) {
			return broker
		}
	}
	return ""
}

// loopback reports whether a host is this machine, as far as its name says.
func loopback(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
