package envelope

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

var exampleLine = regexp.MustCompile(`(?m)^// Example: (.+)$`)

// examples are those in the comments of envelope.proto.
func examples(t testing.TB) []string {
	t.Helper()
	source, err := os.ReadFile("../../proto/hindcast/v1/envelope.proto")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range exampleLine.FindAllSubmatch(source, -1) {
		found = append(found, string(match[1]))
	}
	return found
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.+?)```")

// readme are the examples in proto/README.md.
func readme(t testing.TB) []string {
	t.Helper()
	source, err := os.ReadFile("../../proto/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range jsonBlock.FindAllSubmatch(source, -1) {
		found = append(found, string(match[1]))
	}
	return found
}

// Every example of the documentation is taken whole: each field it names
// exists, and nothing of it is put aside.
func TestExamplesOfTheDocumentation(t *testing.T) {
	facts, fields := map[string]bool{}, map[protoreflect.FullName]bool{}
	for _, example := range append(examples(t), readme(t)...) {
		batch, err := Decoder{}.DecodeJSON([]byte(example), received)
		if err != nil || len(batch.Asides) > 0 || batch.Len() == 0 {
			t.Errorf("%d facts, aside %+v, error %v, of the example\n%s", batch.Len(), batch.Asides, err, example)
		}
		entries, err := splitJSON([]byte(example))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			var env hindcastv1.Envelope
			if err := protojson.Unmarshal(e.raw, &env); err != nil {
				t.Errorf("%v, in the example\n%s", err, e.raw)
				continue
			}
			message := env.ProtoReflect()
			named(message, fields)
			if field := message.WhichOneof(message.Descriptor().Oneofs().ByName("fact")); field != nil {
				facts[string(field.Name())] = true
			}
		}
	}
	for _, name := range factNames() {
		if !facts[name] && name != "aside" {
			t.Errorf("there is no example of a %s", strings.ReplaceAll(name, "_", " "))
		}
	}
	every(hindcastv1.File_hindcast_v1_envelope_proto.Messages(), func(f protoreflect.FieldDescriptor) {
		if !fields[f.FullName()] && !slices.ContainsFunc(ownFields, func(own protoreflect.FullName) bool { return f.FullName() == own || f.FullName().Parent() == own }) {
			t.Errorf("no example has the field %s", f.FullName())
		}
	})
}

// ownFields are fields and messages that hindcast sets and producers leave out.
var ownFields = []protoreflect.FullName{
	"hindcast.v1.Batch.envelopes", // a body, and no part of one
	"hindcast.v1.Envelope.id", "hindcast.v1.Envelope.received_at", "hindcast.v1.Envelope.road", "hindcast.v1.Envelope.clock_suspect",
	"hindcast.v1.Envelope.raw", "hindcast.v1.Envelope.escaped", "hindcast.v1.Envelope.aside", "hindcast.v1.Aside",
	"hindcast.v1.Notification.to_hindcast",
	"hindcast.v1.Alert.last_received_at", "hindcast.v1.Alert.roads", "hindcast.v1.Alert.sent_fingerprints",
	"hindcast.v1.LogLines.counts", "hindcast.v1.LogLine.pattern", "hindcast.v1.LogCount",
}

// named adds the fields that are set in a message and in those within.
func named(m protoreflect.Message, fields map[protoreflect.FullName]bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		fields[f.FullName()] = true
		switch {
		case f.IsMap() || f.Message() == nil || f.Message().ParentFile() != hindcastv1.File_hindcast_v1_envelope_proto:
		case f.IsList():
			for i := range v.List().Len() {
				named(v.List().Get(i).Message(), fields)
			}
		default:
			named(v.Message(), fields)
		}
		return true
	})
}

func every(messages protoreflect.MessageDescriptors, do func(protoreflect.FieldDescriptor)) {
	for i := range messages.Len() {
		for j := range messages.Get(i).Fields().Len() {
			do(messages.Get(i).Fields().Get(j))
		}
	}
}
