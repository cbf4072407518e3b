package logs

import (
	"maps"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// JSONFields names the fields of log lines that come as JSON objects. A field
// of an object within is named by its path, joined by dots: service.name is
// both {"service": {"name": "x"}} and {"service.name": "x"}. Names are compared
// without case and without what joins words: service.name is service_name and
// serviceName as well. Fields of an outermost object that only wraps (fields,
// labels, attributes, resource, context, data, extra …) are found without its
// name too.
//
// Of each list the first name with a usable value counts. A list that is empty
// stands for its default.
type JSONFields struct {
	// Time is when the line was written: RFC 3339 and what is near it, or a
	// number since 1970, in seconds, milliseconds, microseconds or nanoseconds,
	// as its size tells. A line without one has the time at which it was
	// received.
	Time []string `yaml:"time"`
	// Message is the line as it was written. An object without one is the line
	// itself.
	Message []string `yaml:"message"`
	// Level is a word, or a number as pino, bunyan and syslog use them.
	Level []string `yaml:"level"`
	// Service is who wrote the line. Names under labels.service count after
	// these.
	Service []string `yaml:"service"`
	// Environment is where it runs; labels.environment counts after these.
	Environment []string `yaml:"environment"`
	// Version is that of the service; labels.version counts after these.
	Version []string `yaml:"version"`
	// Trace is the ID of the trace that the line belongs to.
	Trace []string `yaml:"trace"`
	// Labels are the labels of the line's stream, each with the fields it may
	// come from: namespace, pod, container and host, as the shippers name them.
	// Others that are given are added, and one with an empty list is left out.
	// Lines that agree in all are kept together, so they should be few.
	Labels map[string][]string `yaml:"labels"`
	// Drop are fields that nobody needs, by their exact paths; whole objects
	// too. All other fields are kept beside the line as its metadata, as far as
	// limits.log_body lets them.
	Drop []string `yaml:"drop"`
}

// DefaultJSONFields knows what Vector, Fluent Bit, Filebeat and the usual
// loggers write, and what they add in Kubernetes.
func DefaultJSONFields() JSONFields {
	return JSONFields{
		Time: []string{"@timestamp", "timestamp", "ts", "time", "@t", "datetime", "date", "asctime", "eventtime", "t.$date", "__REALTIME_TIMESTAMP"},
		Message: []string{"message", "msg", "log", "@m", "@mt", "short_message", "textPayload", "jsonPayload.message", "body",
			"event", "text", "log.original"},
		Level: []string{"log.level", "level", "severity", "severity_text", "lvl", "loglevel", "levelname", "level_name", "@l", "s", "log.syslog.severity.name"},
		Service: []string{"service.name", "service", "app.name", "app", "application", "kubernetes.labels.app.kubernetes.io/name", "kubernetes.pod_labels.app.kubernetes.io/name",
			"kubernetes.labels.app", "kubernetes.pod_labels.app", "kubernetes.labels.k8s-app", "kubernetes.pod_labels.k8s-app", "kubernetes.deployment.name",
			"docker.container.labels.com_docker_compose_service", "SYSLOG_IDENTIFIER", "appname", "_SYSTEMD_UNIT"},
		Environment: []string{"service.environment", "deployment.environment.name", "deployment.environment", "environment", "env"},
		Version: []string{"service.version", "kubernetes.labels.app.kubernetes.io/version", "kubernetes.pod_labels.app.kubernetes.io/version",
			"kubernetes.labels.version", "kubernetes.pod_labels.version"},
		Trace: []string{"trace.id", "trace_id", "traceparent", "otelTraceID", "dd.trace_id"},
		Labels: map[string][]string{
			"namespace": {"kubernetes.namespace", "kubernetes.namespace_name", "kubernetes.pod_namespace"},
			"pod":       {"kubernetes.pod.name", "kubernetes.pod_name"},
			"container": {"kubernetes.container.name", "kubernetes.container_name", "container.name", "container_name"},
			"host":      {"host.name", "hostname", "host"},
		},
		Drop: []string{"@metadata", "@version", "agent", "ecs", "input", "event.original", "kubernetes.annotations", "kubernetes.pod_annotations",
			"kubernetes.namespace_labels", "kubernetes.node_labels"},
	}
}

func (f JSONFields) withDefaults() JSONFields {
	def := DefaultJSONFields()
	for _, list := range []struct {
		have *[]string
		def  []string
	}{
		{&f.Time, def.Time}, {&f.Message, def.Message}, {&f.Level, def.Level}, {&f.Service, def.Service},
		{&f.Environment, def.Environment}, {&f.Version, def.Version}, {&f.Trace, def.Trace}, {&f.Drop, def.Drop},
	} {
		if len(*list.have) == 0 {
			*list.have = list.def
		}
	}
	if len(f.Labels) == 0 {
		f.Labels = def.Labels
	}
	return f
}

// What a field of a JSON line can be. Behind these come the labels.
const (
	jsonTime = iota
	jsonMessage
	jsonLevel
	jsonService
	jsonEnvironment
	jsonVersion
	jsonTrace
	jsonLabels
)

// jsonUse is one thing that a field can be. Of several fields that can be it,
// the one with the lowest rank is.
type jsonUse struct{ slot, rank int }

// jsonTable finds fields by name. It is immutable.
type jsonTable struct {
	// uses is by squashed name.
	uses map[string][]jsonUse
	// drop is by path.
	drop map[string]bool
	// labels are the names of the labels, in order: that with index i has the
	// slot jsonLabels+i.
	labels []string
}

func newJSONTable(f JSONFields, m event.LabelMap) *jsonTable {
	f = f.withDefaults()
	t := &jsonTable{uses: map[string][]jsonUse{}, drop: map[string]bool{}, labels: slices.Sorted(maps.Keys(f.Labels))}
	t.add(jsonTime, f.Time)
	t.add(jsonMessage, f.Message)
	t.add(jsonLevel, f.Level, lineNames(m.Level))
	t.add(jsonService, f.Service, lineNames(m.Service))
	t.add(jsonEnvironment, f.Environment, lineNames(m.Environment))
	t.add(jsonVersion, f.Version, lineNames(m.Version))
	t.add(jsonTrace, f.Trace, traceNames)
	for i, name := range t.labels {
		t.add(jsonLabels+i, f.Labels[name])
	}
	for _, path := range f.Drop {
		t.drop[path] = true
	}
	return t
}

// add gives names a use, those that come first before the others.
func (t *jsonTable) add(slot int, lists ...[]string) {
	var buf [maxFieldName]byte
	rank := 0
	for _, names := range lists {
		for _, name := range names {
			key := squash(&buf, name)
			if len(key) == 0 || slices.ContainsFunc(t.uses[string(key)], func(u jsonUse) bool { return u.slot == slot }) {
				continue
			}
			rank++
			t.uses[string(key)] = append(t.uses[string(key)], jsonUse{slot, rank})
		}
	}
}

// usesOf is what a field can be.
func (t *jsonTable) usesOf(name []byte) []jsonUse {
	var buf [maxFieldName]byte
	return t.uses[string(squash(&buf, name))]
}
