package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/github"
	"github.com/hindcast/hindcast/ingest/logs"
	"github.com/hindcast/hindcast/ingest/message"
)

// FormatOptions is what decoders are told by a site's configuration.
type FormatOptions struct {
	// Labels finds service, environment, version and level in the labels of log
	// streams.
	Labels event.LabelMap
	// JSONLines names the fields of log lines in JSON.
	JSONLines logs.JSONFields
	Limits    Limits
	GitHub    github.Config
	// GitHubSecrets are the secrets of GitHub's webhooks: one of them must have
	// signed a body. With none, bodies are taken unsigned.
	GitHubSecrets [][]byte
}

const typeNDJSON = "application/x-ndjson"

var (
	// Nothing else is JSON that was posted without a media type.
	jsonTypes  = []string{typeJSON, ""}
	protoTypes = []string{"application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"}
)

// DefaultFormats is the table of everything that hindcast takes.
func DefaultFormats(o FormatOptions) Formats {
	am := alertmanager.Decoder{Limits: o.Limits.AlertBody}
	loki := logs.New(o.Labels, o.Limits.LogBody)
	lines := loki.JSONLines(o.JSONLines)
	env := func(in Input) envelope.Decoder {
		return envelope.Decoder{Complete: loki.WithDefaults(in.Defaults).Complete}
	}
	formats := Formats{
		{
			Name: "alertmanager", Road: event.RoadWebhook, Path: "/ingest/alertmanager", Types: jsonTypes,
			Decode: plain(am.DecodeWebhook),
			Hint:   "Point a webhook_config of Alertmanager, or a webhook contact point of Grafana, here.",
		},
		{
			Name: "alertmanager-events", Road: event.RoadRecorder, Path: "/ingest/alertmanager/events", Types: jsonTypes,
			Decode: plain(am.DecodeEvents),
			Hint:   "Point the webhook output of Alertmanager's event recorder (--enable-feature=event-recorder) here.",
		},
		{
			Name: "alertmanager-events-protobuf", Road: event.RoadRecorder,
			Decode: plain(am.DecodeEventProto),
		},
		{
			Name: "prometheus", Road: event.RoadPrometheus, Path: "/api/v2/alerts", Types: jsonTypes, Reply: ReplyStrict,
			Decode: plain(am.DecodeAlerts),
			Hint:   "Add hindcast under alerting.alertmanagers of Prometheus, or of a ruler, as one more target. The alerts that hindcast knows are listed at /incidents.",
		},
		{
			Name: "deploys", Road: event.RoadDeploys, Path: "/ingest/deploys", Types: jsonTypes,
			Decode: plain(deploy.DecodeDeploys),
			Hint:   `Post {"at": "2026-02-03T04:05:06Z", "service": "payments", "version": "2.0.0", "kind": "deploy", "status": "succeeded"}, or an array of such.`,
		},
		{
			Name: "commits", Road: event.RoadCommits, Path: "/ingest/commits", Types: jsonTypes,
			Decode: plain(deploy.DecodeCommits),
			Hint:   `Post {"sha": "0a1b2c3", "repository": "acme/payments", "message": "…", "files": ["…"]}, or an array of such.`,
		},
		{
			Name: "github", Road: event.RoadGitHub, Path: "/ingest/github", Types: []string{typeJSON, "application/x-www-form-urlencoded"},
			Decode: func(in Input) (event.Batch, error) {
				return o.GitHub.Decode(in.Header.Get("X-GitHub-Event"), in.Header.Get("X-GitHub-Delivery"), in.Body, in.ReceivedAt)
			},
			Verify: verifyGitHub(o.GitHubSecrets),
			Hint:   "Add a webhook to a GitHub repository or organisation, with this URL, the content type application/json and the events deployments, deployment statuses, workflow runs and pushes.",
		},
		{
			Name: "messages", Road: event.RoadMessages, Path: "/ingest/messages", Types: jsonTypes,
			Decode: plain(message.Decode),
			Hint:   `Post {"at": "2026-02-03T04:05:06Z", "author": "dana", "channel": "#incidents", "text": "I'm looking at it"}, or an array of such.`,
		},
		{
			Name: "envelope", Road: event.RoadEnvelope, Path: "/ingest/events", Types: []string{typeJSON, typeNDJSON, ""},
			Decode: func(in Input) (event.Batch, error) { return env(in).DecodeJSON(in.Body, in.ReceivedAt) },
			Hint:   "Post envelopes as proto/hindcast/v1 describes them.",
		},
		{
			Name: "envelope-protobuf", Road: event.RoadEnvelope, Path: "/ingest/events", Types: protoTypes,
			Decode: func(in Input) (event.Batch, error) { return env(in).DecodeProto(in.Body, in.ReceivedAt) },
			Hint:   "Post envelopes as proto/hindcast/v1 describes them.",
		},
		{
			// As Loki has it, what has no media type is protobuf.
			Name: "loki", Road: event.RoadLoki, Lane: LaneLogs, Path: "/loki/api/v1/push", Types: append(protoTypes[:len(protoTypes):len(protoTypes)], ""),
			Snappy: true, Reply: ReplyEmpty, Join: loki.Join,
			Decode: func(in Input) (event.Batch, error) {
				body, err := logs.Unsnappy(in.Body, int(o.Limits.MaxDecompressed))
				if err != nil {
					return event.Batch{}, logsError(err)
				}
				batch, err := loki.WithDefaults(in.Defaults).DecodeLokiProto(body, in.ReceivedAt)
				return batch, logsError(err)
			},
			Hint: "Point a client of Loki here: a push in protobuf and snappy, or in JSON.",
		},
		{
			Name: "loki-json", Road: event.RoadLoki, Lane: LaneLogs, Path: "/loki/api/v1/push", Types: []string{typeJSON}, Reply: ReplyEmpty,
			Join: loki.Join,
			Decode: func(in Input) (event.Batch, error) {
				batch, err := loki.WithDefaults(in.Defaults).DecodeLokiJSON(in.Body, in.ReceivedAt)
				return batch, logsError(err)
			},
			Hint: "Point a client of Loki here: a push in protobuf and snappy, or in JSON.",
		},
		{
			Name: "json-lines", Road: event.RoadJSONLines, Lane: LaneLogs, Path: "/ingest/logs",
			Types: []string{typeJSON, typeNDJSON, ""}, Join: loki.Join,
			Decode: func(in Input) (event.Batch, error) {
				batch, err := lines.WithDefaults(in.Defaults).Decode(in.Body, in.ReceivedAt)
				return batch, logsError(err)
			},
			Hint: "Point the http output of Vector or Fluent Bit here, or anything that posts log lines as JSON objects: one a line, or an array.",
		},
	}
	for i := range formats {
		if formats[i].Lane == LaneAlerts {
			formats[i].Decode = withDefaults(o.Labels, formats[i].Decode)
		}
	}
	return formats
}

// plain makes a Decoder of a function that needs no header.
func plain(decode func(body []byte, receivedAt time.Time) (event.Batch, error)) Decoder {
	return func(in Input) (event.Batch, error) { return decode(in.Body, in.ReceivedAt) }
}

func verifyGitHub(secrets [][]byte) func(http.Header, []byte) error {
	if len(secrets) == 0 {
		return nil
	}
	return func(header http.Header, sent []byte) error {
		return github.VerifySignature(secrets, sent, header.Get("X-Hub-Signature-256"))
	}
}

// logsError puts an error of the log decoders in this package's words.
func logsError(err error) error {
	if errors.Is(err, logs.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooMuch, err)
	}
	return err
}
