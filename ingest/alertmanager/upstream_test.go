package alertmanager

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/eventrecorder/eventrecorderpb"
	amwebhook "github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hindcast/hindcast/ingest/event"
)

// These tests hold the decoders against the senders' own types.

func TestWebhookOfAlertmanagersOwnTypes(t *testing.T) {
	labels := template.KV{"alertname": "HighErrorRate", "service": "payments", "note": "a \"quote\" and ünïcödé   <&>"}
	msg := amwebhook.Message{
		Data: &template.Data{
			Receiver: "pager",
			Status:   "firing",
			Alerts: template.Alerts{{
				Status: "firing", Labels: labels, Annotations: template.KV{"summary": "it fails"},
				StartsAt: noon.Add(-time.Minute), GeneratorURL: "http://p/graph?a=b&c=d",
				Fingerprint: model.LabelSet{"alertname": "HighErrorRate", "service": "payments", "note": model.LabelValue(labels["note"])}.Fingerprint().String(),
			}, {
				Status: "resolved", Labels: template.KV{"alertname": "B"},
				StartsAt: noon.Add(-time.Hour), EndsAt: noon.Add(-time.Second),
				Fingerprint: model.LabelSet{"alertname": "B"}.Fingerprint().String(),
			}},
			NotificationReason: "new alerts added",
			GroupLabels:        template.KV{"alertname": "HighErrorRate"},
			CommonLabels:       template.KV{"service": "payments"},
			CommonAnnotations:  template.KV{"summary": "it fails"},
			RouteLabels:        template.KV{"team": "money"},
			ExternalURL:        "http://am:9093",
		},
		Version: "4", GroupKey: `{}:{alertname="HighErrorRate"}`, TruncatedAlerts: 3,
	}
	body, err := json.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	b := mustDecode(t, Decoder.DecodeWebhook, string(body))
	n := theEvent(t, b)
	if n.Road != event.RoadWebhook || n.Instance != "http://am:9093" || n.Labels["service"] != "payments" {
		t.Errorf("got %+v", n)
	}
	if g := n.Notification; g.Receiver != "pager" || g.Reason != "new alerts added" || g.Truncated != 3 || !g.ToHindcast ||
		g.GroupKey != msg.GroupKey || g.GroupLabels["alertname"] != "HighErrorRate" || len(g.Firing) != 1 || len(g.Resolved) != 1 {
		t.Errorf("got %+v", g)
	}
	if len(b.Observations) != 2 {
		t.Fatalf("got %d observations, want 2", len(b.Observations))
	}
	for i, o := range b.Observations {
		if o.Fingerprint.String() != msg.Alerts[i].Fingerprint || o.SentFingerprints[0] != o.Fingerprint {
			t.Errorf("alert %d: fingerprint %s, sent %v; Alertmanager's is %s", i, o.Fingerprint, o.SentFingerprints, msg.Alerts[i].Fingerprint)
		}
	}
	if o := b.Observations[0]; o.Labels["note"] != labels["note"] || o.GeneratorURL != "http://p/graph?a=b&c=d" ||
		!o.FiringSeenAt.Equal(noon) || !o.EndedAt.IsZero() || !o.KeepAliveUntil.IsZero() || o.Groups[0] != msg.GroupKey {
		t.Errorf("firing: got %+v", o)
	}
	if o := b.Observations[1]; !o.EndedAt.Equal(toMillisecond(noon.Add(-time.Second))) || !o.FiringSeenAt.IsZero() {
		t.Errorf("resolved: got %+v", o)
	}
}

// everyRecord builds one record of every type that Alertmanager's recorder
// has.
func everyRecord(now time.Time) map[string]*eventrecorderpb.Event {
	pairs := func(kv ...string) *eventrecorderpb.LabelSet {
		var s eventrecorderpb.LabelSet
		for i := 0; i < len(kv); i += 2 {
			s.Labels = append(s.Labels, &eventrecorderpb.LabelPair{Key: kv[i], Value: kv[i+1]})
		}
		return &s
	}
	fp := uint64(model.LabelSet{"alertname": "A", "service": "payments"}.Fingerprint())
	alert := func(endsAt time.Time, resolved bool) *eventrecorderpb.Alert {
		return &eventrecorderpb.Alert{
			Fingerprint: fp, Name: "A", Labels: pairs("alertname", "A", "service", "payments"),
			Annotations: pairs("summary", "it fails", "empty", ""), StartsAt: timestamppb.New(now.Add(-time.Minute)),
			EndsAt: timestamppb.New(endsAt), Resolved: resolved,
		}
	}
	inGroup := func(a *eventrecorderpb.Alert) *eventrecorderpb.GroupedAlert {
		return &eventrecorderpb.GroupedAlert{Hash: 1<<63 + 7, Details: a}
	}
	group := &eventrecorderpb.AlertGroupInfo{
		GroupKey: "{}:{}", GroupLabels: pairs("service", "payments"), GroupId: "g", ReceiverName: "pager", GroupUuid: "u",
		Matchers: []*eventrecorderpb.Matcher{{Type: eventrecorderpb.Matcher_TYPE_REGEXP, Name: "a", Pattern: "b.*", Rendered: `a=~"b.*"`}},
	}
	silence := &eventrecorderpb.Silence{
		Id: "s1", CreatedBy: "dana", Comment: "looking", StartsAt: timestamppb.New(now), EndsAt: timestamppb.New(now.Add(time.Hour)), UpdatedAt: timestamppb.New(now),
		Matchers: []*eventrecorderpb.Matcher{{Type: eventrecorderpb.Matcher_TYPE_NOT_EQUAL, Name: "service", Pattern: "payments"}},
		MatcherSets: []*eventrecorderpb.MatcherSet{
			{Matchers: []*eventrecorderpb.Matcher{{Type: eventrecorderpb.Matcher_TYPE_NOT_EQUAL, Name: "service", Pattern: "payments"}}},
			{Matchers: []*eventrecorderpb.Matcher{{Type: eventrecorderpb.Matcher_TYPE_NOT_REGEXP, Name: "env", Pattern: "dev|test"}}},
		},
	}
	muted := &eventrecorderpb.MutedAlert{Labels: pairs("alertname", "A", "service", "payments"), Fingerprint: fp}
	data := map[string]*eventrecorderpb.EventData{
		"startup":  {EventType: &eventrecorderpb.EventData_AlertmanagerStartupEvent{AlertmanagerStartupEvent: &eventrecorderpb.AlertmanagerStartupEvent{Version: "0.34.2", BuildContext: "go"}}},
		"shutdown": {EventType: &eventrecorderpb.EventData_AlertmanagerShutdownEvent{AlertmanagerShutdownEvent: &eventrecorderpb.AlertmanagerShutdownEvent{}}},
		"created":  {EventType: &eventrecorderpb.EventData_AlertCreated{AlertCreated: &eventrecorderpb.AlertCreatedEvent{Alert: alert(now.Add(4*time.Minute), false)}}},
		"grouped":  {EventType: &eventrecorderpb.EventData_AlertGrouped{AlertGrouped: &eventrecorderpb.AlertGroupedEvent{Alert: inGroup(alert(now.Add(4*time.Minute), false)), GroupInfo: group}}},
		"resolved": {EventType: &eventrecorderpb.EventData_AlertResolved{AlertResolved: &eventrecorderpb.AlertResolvedEvent{Alert: inGroup(alert(now.Add(-time.Second), true)), GroupInfo: group}}},
		"notification": {EventType: &eventrecorderpb.EventData_Notification{Notification: &eventrecorderpb.NotificationEvent{
			Alerts:       []*eventrecorderpb.GroupedAlert{inGroup(alert(time.Time{}, false))},
			FiringAlerts: []*eventrecorderpb.GroupedAlert{{Hash: 1<<63 + 7}},
			GroupInfo:    group, Reason: eventrecorderpb.NotifyReason_NOTIFY_REASON_NEW_RESOLVED_ALERTS, FlushId: 9,
			Integration: &eventrecorderpb.Integration{Name: "pagerduty", Index: 2},
		}}},
		"silence created": {EventType: &eventrecorderpb.EventData_SilenceCreated{SilenceCreated: &eventrecorderpb.SilenceCreatedEvent{Silence: silence}}},
		"silence updated": {EventType: &eventrecorderpb.EventData_SilenceUpdated{SilenceUpdated: &eventrecorderpb.SilenceUpdatedEvent{Silence: silence}}},
		"silenced":        {EventType: &eventrecorderpb.EventData_SilenceMutedAlert{SilenceMutedAlert: &eventrecorderpb.SilenceMutedAlertEvent{Silence: silence, MutedAlert: muted}}},
		"inhibited": {EventType: &eventrecorderpb.EventData_InhibitionMutedAlert{InhibitionMutedAlert: &eventrecorderpb.InhibitionMutedAlertEvent{
			InhibitRules: []*eventrecorderpb.InhibitRule{{Name: "critical-over-warning"}}, MutedAlert: muted, InhibitingFingerprints: []uint64{1<<64 - 1, 5},
		}}},
	}
	all := make(map[string]*eventrecorderpb.Event)
	for name, d := range data {
		all[name] = &eventrecorderpb.Event{Timestamp: timestamppb.New(now), Instance: "am-0", ClusterPosition: 1, Data: d}
	}
	return all
}

func TestEveryTypeOfRecordIsKnown(t *testing.T) {
	all := everyRecord(noon)
	types := (&eventrecorderpb.EventData{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	if types.Len() != len(all) {
		t.Errorf("the recorder has %d types of events, the test builds %d", types.Len(), len(all))
	}
	for i := range types.Len() {
		f := types.Get(i)
		for _, name := range []string{string(f.Name()), f.JSONName()} {
			if recordKinds[name] == nil {
				t.Errorf("%s is not decoded", name)
			}
		}
	}
}

func TestRecordsOfAlertmanagersOwnTypes(t *testing.T) {
	fp := event.Labels{"alertname": "A", "service": "payments"}.Fingerprint()
	ms := toMillisecond
	alert := func(t *testing.T, b event.Batch) event.Observation {
		o := theAlert(t, b)
		if o.Fingerprint != fp || len(o.SentFingerprints) != 1 || o.SentFingerprints[0] != fp || !o.StartsAt.Equal(ms(noon.Add(-time.Minute))) ||
			o.Annotations["summary"] != "it fails" || o.Instances[0] != "am-0" || o.Roads[0] != event.RoadRecorder {
			t.Errorf("got %+v", o)
		}
		return o
	}
	checks := map[string]func(*testing.T, event.Batch){
		"startup": func(t *testing.T, b event.Batch) {
			if s := theEvent(t, b).Source; s.Status != "started" || s.Detail != "0.34.2 go" {
				t.Errorf("got %+v", s)
			}
		},
		"shutdown": func(t *testing.T, b event.Batch) {
			if s := theEvent(t, b).Source; s.Status != "stopped" {
				t.Errorf("got %+v", s)
			}
		},
		"created": func(t *testing.T, b event.Batch) {
			o := alert(t, b)
			if !o.KeepAliveUntil.Equal(ms(noon.Add(4*time.Minute))) || !o.FiringSeenAt.Equal(noon) || !o.EndedAt.IsZero() {
				t.Errorf("got %+v", o)
			}
		},
		"grouped": func(t *testing.T, b event.Batch) {
			if o := alert(t, b); !o.FiringSeenAt.Equal(noon) || o.Groups[0] != "{}:{}" {
				t.Errorf("got %+v", o)
			}
		},
		"resolved": func(t *testing.T, b event.Batch) {
			if o := alert(t, b); !o.EndedAt.Equal(ms(noon.Add(-time.Second))) || !o.FiringSeenAt.IsZero() {
				t.Errorf("got %+v", o)
			}
		},
		"notification": func(t *testing.T, b event.Batch) {
			if o := alert(t, b); !o.FiringSeenAt.Equal(noon) || !o.KeepAliveUntil.IsZero() {
				t.Errorf("got %+v", o)
			}
			n := theEvent(t, b).Notification
			if n.Receiver != "pager" || n.Integration != "pagerduty" || n.IntegrationIndex != 2 || n.GroupKey != "{}:{}" || n.ToHindcast ||
				n.Reason != "some alerts resolved" || n.GroupLabels["service"] != "payments" || len(n.Resolved) != 0 || len(n.Firing) != 1 || n.Firing[0].Fingerprint != fp {
				t.Errorf("got %+v", n)
			}
		},
		"silence created": func(t *testing.T, b event.Batch) { checkSilence(t, theEvent(t, b), event.SilenceCreated) },
		"silence updated": func(t *testing.T, b event.Batch) { checkSilence(t, theEvent(t, b), event.SilenceUpdated) },
		"silenced": func(t *testing.T, b event.Batch) {
			if len(b.Events) != 2 {
				t.Fatalf("got %d events, want the mute and its silence", len(b.Events))
			}
			if m := b.Events[0].Mute; m.Fingerprint != fp || m.SilenceID != "s1" || m.Labels["alertname"] != "A" {
				t.Errorf("got %+v", m)
			}
			checkSilence(t, b.Events[1], event.SilenceCreated)
		},
		"inhibited": func(t *testing.T, b event.Batch) {
			m := theEvent(t, b).Mute
			if m.Fingerprint != fp || m.SilenceID != "" || m.Rule != "critical-over-warning" || len(m.Inhibitors) != 2 || m.Inhibitors[1] != 1<<64-1 {
				t.Errorf("got %+v", m)
			}
		},
	}
	for name, record := range everyRecord(noon) {
		t.Run(name, func(t *testing.T) {
			var ids []event.ID
			for _, o := range []protojson.MarshalOptions{{}, {UseProtoNames: true}, {UseEnumNumbers: true, EmitUnpopulated: true}, {Multiline: true}} {
				body, err := o.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				b := mustDecode(t, Decoder.DecodeEvents, string(body))
				checks[name](t, b)
				ids = append(ids, firstID(b))
			}
			body, err := proto.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			b := mustDecode(t, Decoder.DecodeEventProto, string(body))
			checks[name](t, b)
			ids = append(ids, firstID(b))
			for _, id := range ids {
				if id != ids[0] {
					t.Errorf("IDs differ between encodings: %v", ids)
				}
			}
		})
	}
}

func firstID(b event.Batch) event.ID {
	if len(b.Events) > 0 {
		return b.Events[0].ID
	}
	return b.Observations[0].ID()
}

func checkSilence(t *testing.T, e event.Event, action event.SilenceAction) {
	t.Helper()
	s := e.Silence
	if s == nil {
		t.Fatalf("got %+v, want a silence", e)
	}
	if s.ID != "s1" || s.Action != action || s.CreatedBy != "dana" || s.Comment != "looking" ||
		!s.StartsAt.Equal(toMillisecond(noon)) || !s.EndsAt.Equal(toMillisecond(noon.Add(time.Hour))) || !e.OccurredAt.Equal(toMillisecond(noon)) {
		t.Errorf("got %+v", s)
	}
	if len(s.MatcherSets) != 2 || s.MatcherSets[0][0] != (event.Matcher{Name: "service", Op: "!=", Value: "payments"}) || s.MatcherSets[1][0].Op != "!~" {
		t.Errorf("matchers: got %+v", s.MatcherSets)
	}
	if want := NewSilenceEvent(*s, event.RoadPoll, noon, nil); e.ID != want.ID || !e.OccurredAt.Equal(want.OccurredAt) {
		t.Errorf("the poll would give it the ID %s, the recorder's is %s", want.ID, e.ID)
	}
}

// TestEnums holds the words and operators against the recorder's enums.
func TestEnums(t *testing.T) {
	each := func(d protoreflect.EnumDescriptor, check func(name string)) {
		for i := range d.Values().Len() {
			if v := d.Values().Get(i); v.Number() != 0 {
				check(string(v.Name()))
			}
		}
	}
	each(eventrecorderpb.Matcher_TYPE_EQUAL.Descriptor(), func(name string) {
		if matcherOp(name) == "" {
			t.Errorf("matcher type %s has no operator", name)
		}
	})
	if got := notifyReason("NOTIFY_REASON_SOMETHING_NEW"); got != "something new" {
		t.Errorf("an unknown reason is %q", got)
	}
}

// TestDependencies keeps Alertmanager's 300 packages out of the binary: only
// its generated protobuf package may come with the decoders.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if strings.Contains(dep, "prometheus/") && dep != "github.com/prometheus/alertmanager/eventrecorder/eventrecorderpb" {
			t.Errorf("the decoders depend on %s", dep)
		}
	}
}
