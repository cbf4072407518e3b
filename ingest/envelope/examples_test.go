package envelope

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

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
	facts := map[string]bool{}
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
}
