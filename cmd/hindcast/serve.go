package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
)

type serveCmd struct {
	ConfigFile      string       `name:"config.file" placeholder:"FILE" help:"Read the configuration from here, and again at SIGHUP. Without it all is as by default; check-config says what is in force."`
	Web             webFlags     `embed:"" prefix:"web."`
	Store           storeSpec    `name:"store" default:"sqlite:./data/hindcast.db" placeholder:"STORE" help:"Keep everything here: sqlite:PATH, or clickhouse://USER@HOST:PORT/DATABASE (http:// and https:// for its HTTP interface). It is made when it does not exist. By default ${default}."`
	StoreWait       span         `name:"store.wait" default:"1m" help:"At the start, wait so long for a ClickHouse that does not answer, and with forward: kafka for the brokers, then exit. Requests are answered with 503 meanwhile."`
	Roles           server.Roles `name:"roles" default:"receive,consume,correlate,api" placeholder:"ROLE,…" help:"What this process does, separated by commas: receive takes facts over HTTP and asks Alertmanagers, consume brings the topics of Kafka to the store, correlate derives timelines (or stands by while another process does), api gives them out. By default ${default}."`
	TrustTimes      bool         `name:"replay.trust-times" help:"Believe the header Hindcast-Received-At. For replays only: whoever may post may then say when it was. Nothing is deleted for its age."`
	Settle          span         `name:"replay.settle" default:"24h" help:"With --replay.trust-times, take it to be so long after the last receipt, so that incidents come to their ends."`
	ShutdownTimeout span         `name:"shutdown.timeout" default:"30s" help:"At SIGTERM or SIGINT, let requests under way end for so long, then exit."`
}

// Help is the command's long help.
func (serveCmd) Help() string {
	return examples(`Point the senders at it with nothing but a URL: Alertmanager's webhook at /ingest/alertmanager and its event recorder at /ingest/alertmanager/events, Prometheus' own alerts at / as one more Alertmanager, deploys at /ingest/deploys, Loki pushes at /loki/api/v1/push. Read timelines at /incidents.

A store in ClickHouse takes its password from the environment variable HINDCAST_CLICKHOUSE_PASSWORD, or from a file that is named in the address as ?password_file=FILE. Several hosts are separated by commas; secure=true is TLS, with ca_file, cert_file, key_file and server_name; other parameters are those of clickhouse-go and settings of ClickHouse.

Several processes may share a store in ClickHouse: any number of them receive, consume and serve the API, and of those with the role correlate one derives the timelines while the others stand by.

With kafka.brokers and kafka.topics in the configuration, processes of the role consume bring those topics to the store; with the same kafka.group they share the partitions. Brokers that are down are waited for without an end, and what is wrong is logged. With forward: kafka the receivers put what they take into Kafka, from where consume brings it to the store, and answer also while the store is down: such a process, with --roles=receive, needs no store.

SIGHUP reads the configuration again; when it is bad, the old one stays. The sections kafka, clickhouse, limits and the key forward take effect at the next start only. SIGTERM and SIGINT stop cleanly: what was answered is kept, what is under way is answered.`,
		"hindcast serve",
		"hindcast serve --config.file=hindcast.yml --store=sqlite:/var/lib/hindcast/hindcast.db",
		"hindcast serve '--store=clickhouse://hindcast@ch1:9440,ch2:9440/hindcast?secure=true'",
		"hindcast serve --roles=receive --config.file=hindcast.yml",
		"hindcast serve --web.listen-address=127.0.0.1:9097 --web.config.file=web.yml --log.format=json")
}

// Run serves until a signal comes.
func (c *serveCmd) Run(s *streams) error {
	if c.TrustTimes && c.Settle <= 0 {
		return usageError("--replay.settle: want more than 0")
	}
	loaded, err := config.Load(c.ConfigFile)
	if err != nil {
		return err
	}
	listeners, err := c.Web.listen()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	srv, err := c.start(s, loaded, listeners)
	if err != nil || srv == nil {
		return err
	}
	said := []any{"url", srv.URL(), "roles", c.Roles.String()}
	if srv.HasStore() {
		said = append(said, "store", c.Store)
	}
	s.log.Info("hindcast serves", said...)
	failure := c.wait(s, srv, signals)
	return stop(srv, time.Duration(c.ShutdownTimeout), failure)
}

// start starts the server. It returns none when a signal said to stop while a
// store was waited for.
func (c *serveCmd) start(s *streams, loaded config.Config, listeners []net.Listener) (*server.Server, error) {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	srv, err := server.Start(ctx, server.Options{
		Config: loaded, Store: string(c.Store), StoreWait: time.Duration(c.StoreWait), TrustTimes: c.TrustTimes, Settle: time.Duration(c.Settle),
		WebConfigFile: c.Web.ConfigFile, Roles: c.Roles, Logger: s.log,
	}, listeners...)
	if err != nil && ctx.Err() != nil {
		s.log.Info("stopping before the start was over", "err", err)
		return nil, nil
	}
	return srv, err
}

// wait returns when the server is to stop: nil at a signal, else what failed.
func (c *serveCmd) wait(s *streams, srv *server.Server, signals <-chan os.Signal) error {
	for {
		select {
		case err := <-srv.Failed():
			return err
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				s.log.Info("stopping", "signal", sig.String())
				return nil
			}
			c.reload(s, srv)
		}
	}
}

// reloadTimeout bounds the wait for the correlator to take a configuration.
const reloadTimeout = 30 * time.Second

func (c *serveCmd) reload(s *streams, srv *server.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	if err := srv.Reload(ctx, c.ConfigFile); err != nil {
		s.log.Error("the configuration was not reloaded: the old one stays in force", "file", c.ConfigFile, "err", err)
		return
	}
	s.log.Info("the configuration was reloaded", "file", c.ConfigFile)
}

// stop stops a server in bounded time. It returns why it was stopped, if that
// was a failure, and what failed while stopping.
func stop(srv *server.Server, timeout time.Duration, failure error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := srv.Stop(ctx)
	switch {
	case failure != nil && err != nil:
		return fmt.Errorf("%w; then, while stopping: %w", failure, err)
	case failure != nil:
		return failure
	case err != nil:
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
