package kafkatest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/cmd/child"
)

// addresses are where a broker listens.
type addresses struct {
	plain, controller, tls, mutual, sasl, saslTLS string
}

// prepare writes server.properties and the empty log folder that a node in KRaft
// mode starts on.
func (b *Broker) prepare(ctx context.Context, from installed) error {
	dir := b.options.Dir
	properties := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(properties, []byte(b.properties()), 0o600); err != nil {
		return fmt.Errorf("write the broker's properties: %w", err)
	}
	java := []string{
		// Small, and quick to start: the compiler that makes the fastest code costs
		// more than a short life brings in.
		"-Xms64m", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
		"-Djava.net.preferIPv4Stack=true", "-Djava.io.tmpdir=" + dir,
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
	}
	java = append(append(java, b.options.JVM...), "-cp", filepath.Join(from.lib, "*"))
	command := append([]string{from.java}, java...)
	b.process = &child.Process{Name: "the broker", Command: append(slices.Clone(command), "kafka.Kafka", properties)}
	if _, err := os.Stat(filepath.Join(dir, "data", "meta.properties")); err == nil {
		return nil // the folder was used before
	}
	format := append(slices.Clone(command), "kafka.tools.StorageTool", "format", "--config", properties, "--cluster-id", clusterID)
	if b.secure != nil {
		format = append(format, b.secure.scramUsers()...)
	}
	return (&child.Process{Name: "format the broker's folder", Command: format}).Run(ctx)
}

// clusterID is 16 bytes in unpadded base64url. Brokers that never meet may share it.
const clusterID = "aGluZGNhc3QtdGVzdHMtMQ"

// properties is the text of server.properties.
func (b *Broker) properties() string {
	listeners := []string{
		"PLAIN://" + b.at.plain,
		"CONTROLLER://" + b.at.controller,
	}
	p := map[string]string{
		"process.roles":              "broker,controller",
		"node.id":                    "1",
		"controller.quorum.voters":   "1@" + b.at.controller,
		"controller.listener.names":  "CONTROLLER",
		"inter.broker.listener.name": "PLAIN",
		"listener.security.protocol.map": "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT," +
			"TLS:SSL,MUTUAL:SSL,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL",
		"log.dirs": filepath.Join(b.options.Dir, "data"),

		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "2",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",

		// A topic is there when a test makes it, not when a client asks for it.
		"auto.create.topics.enable": "false",
		// Records stay, however old their times are, but where a test says otherwise.
		"log.retention.ms": "-1",
		// Tests do not wait.
		"group.initial.rebalance.delay.ms":       "0",
		"group.min.session.timeout.ms":           "500",
		"log.retention.check.interval.ms":        "500",
		"log.initial.task.delay.ms":              "500",
		"file.delete.delay.ms":                   "100",
		"controlled.shutdown.enable":             "true",
		"initial.broker.registration.timeout.ms": "60000",
		// A killed broker that comes again is let in when the session of its former
		// life is over. A heartbeat may take half an interval.
		"broker.session.timeout.ms":    "3000",
		"broker.heartbeat.interval.ms": "700",
		// Two cores and little memory are what a test machine has.
		"num.network.threads":               "2",
		"num.io.threads":                    "4",
		"background.threads":                "2",
		"num.recovery.threads.per.data.dir": "2",
		"log.cleaner.dedupe.buffer.size":    "4194304",
	}
	if b.secure != nil {
		listeners = append(listeners, b.secure.listeners(b.at)...)
		maps.Copy(p, b.secure.properties())
	}
	p["listeners"] = strings.Join(listeners, ",")
	p["advertised.listeners"] = strings.Join(slices.DeleteFunc(slices.Clone(listeners), func(l string) bool {
		return strings.HasPrefix(l, "CONTROLLER:")
	}), ",")
	maps.Copy(p, b.options.Properties)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&text, "%s=%s\n", key, strings.ReplaceAll(p[key], `\`, `\\`))
	}
	return text.String()
}
