package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/storage/clickhouse"
)

// Roles are the parts of hindcast that a process runs. The zero Roles are all of
// them.
type Roles uint8

// The roles.
const (
	// Receive takes facts in over HTTP, and asks Alertmanagers.
	Receive Roles = 1 << iota
	// Consume brings to the store what is in Kafka. Where nothing is, it does
	// nothing.
	Consume
	// Correlate derives timelines, or stands by while another process does; and
	// deletes what is old.
	Correlate
	// API gives out incidents, timelines and facts.
	API

	allRoles = Receive | Consume | Correlate | API
)

var roleNames = []struct {
	role Roles
	name string
}{{Receive, "receive"}, {Consume, "consume"}, {Correlate, "correlate"}, {API, "api"}}

// UnmarshalText reads roles as a command line has them: separated by commas.
func (r *Roles) UnmarshalText(text []byte) error {
	var roles Roles
	for name := range strings.SplitSeq(string(text), ",") {
		i := slices.IndexFunc(roleNames, func(n struct {
			role Roles
			name string
		}) bool {
			return n.name == strings.TrimSpace(name)
		})
		if i < 0 {
			return fmt.Errorf("%.40q is no role: want some of %s, separated by commas", name, allRoles)
		}
		roles |= roleNames[i].role
	}
	*r = roles
	return nil
}

// String is what UnmarshalText reads.
func (r Roles) String() string {
	var names []string
	for _, n := range roleNames {
		if r.has(n.role) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

func (r Roles) has(role Roles) bool { return r == 0 || r&role != 0 }

// receives and so on say which parts of a process the options ask for.

func (o *Options) receives() bool { return o.Roles.has(Receive) }
func (o *Options) forwards() bool { return o.receives() && o.Config.Forwards() }
func (o *Options) consumes() bool { return o.Roles.has(Consume) && o.Config.Consumes() }

// needsStore reports whether any part needs the store: what receives alone, and
// forwards, does not.
func (o *Options) needsStore() bool {
	return o.Roles.has(Correlate) || o.Roles.has(API) || o.consumes() || (o.receives() && !o.forwards())
}

// check says what cannot work together.
func (o *Options) check() error {
	switch {
	case o.Roles == Consume && !o.consumes():
		return errors.New("--roles=consume: there is nothing to consume: the configuration has neither kafka.topics nor forward: " + config.ForwardKafka)
	case o.needsStore() && !o.Roles.has(Correlate) && !clickhouse.IsDSN(o.Store):
		ways := "add the role correlate, or keep the data in ClickHouse (--store)"
		if o.Roles == Receive {
			ways = "add the role correlate, keep the data in ClickHouse (--store), or put it into Kafka (forward: " + config.ForwardKafka + " in the configuration), where others consume it"
		}
		return fmt.Errorf("--roles=%s: one process alone can open a SQLite file, so nobody would derive timelines: %s", o.Roles, ways)
	}
	return nil
}

// warnings are what cannot be meant, and does no harm. All roles are the default,
// and mean whatever there is to do.
func (o *Options) warnings() []string {
	var list []string
	if o.Roles != allRoles && o.Roles&Consume != 0 && !o.consumes() {
		list = append(list, fmt.Sprintf("--roles=%s: nothing is consumed: the configuration has neither kafka.topics nor forward: %s", o.Roles, config.ForwardKafka))
	}
	return list
}

// CheckKafka reports what is wrong with Kafka's configuration that cannot be seen
// in the file alone: files that it names.
func CheckKafka(c config.Config) error {
	if len(c.Kafka.Brokers) == 0 {
		return nil
	}
	formats := newFormats(c)
	_, err := kafka.New(kafka.Options{
		Config: c.Kafka, Forwarded: c.Forwards(), Formats: formats.inForce,
		Appender: ingest.AppenderFunc(func(context.Context, event.Batch) error { return nil }),
	})
	return err
}
