package event

import "strings"

// LabelMap says which labels carry what hindcast needs to know. Of each list
// the first label that has a value counts. It is shared by the decoders (of
// log streams) and by the correlator (of alerts).
type LabelMap struct {
	Service     []string `yaml:"service"`
	Environment []string `yaml:"environment"`
	Severity    []string `yaml:"severity"`
	Team        []string `yaml:"team"`
	// Runbook names annotations or labels.
	Runbook []string `yaml:"runbook"`
	Version []string `yaml:"version"`
	Level   []string `yaml:"level"`
}

// DefaultLabelMap knows the names that Prometheus, Kubernetes, Loki and
// OpenTelemetry set-ups use.
func DefaultLabelMap() LabelMap {
	return LabelMap{
		Service:     []string{"service", "service_name", "service.name", "app", "app_kubernetes_io_name", "application", "deployment", "component", "container", "workload", "job"},
		Environment: []string{"environment", "env", "deployment_environment", "deployment.environment", "deployment_environment_name", "stage", "tier"},
		Severity:    []string{"severity", "priority", "level"},
		Team:        []string{"team", "owner", "squad"},
		Runbook:     []string{"runbook_url", "runbook", "runbook_link"},
		Version:     []string{"version", "service_version", "service.version", "app_version", "app_kubernetes_io_version", "image_tag", "release"},
		Level:       []string{"level", "detected_level", "severity", "severity_text", "lvl", "log_level", "loglevel"},
	}
}

// ServiceOf is the service that labels name; "" when they name none.
func (m LabelMap) ServiceOf(l Labels) string { return l.First(m.Service...) }

// EnvironmentOf is the environment that labels name; "" when they name none.
func (m LabelMap) EnvironmentOf(l Labels) string { return l.First(m.Environment...) }

// SeverityOf is the severity that labels name, in lower case.
func (m LabelMap) SeverityOf(l Labels) string { return strings.ToLower(l.First(m.Severity...)) }
