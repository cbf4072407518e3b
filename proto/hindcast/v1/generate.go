// Package hindcastv1 is the generated code of the envelope in which facts
// travel through Kafka, into backups and from custom producers; envelope.proto
// says what every field means, and proto/README.md shows it in JSON.
//
// In the flow only ingest/envelope uses it, which makes facts of it and it of
// facts: generated types go no further.
package hindcastv1

//go:generate sh -c "protoc -I ../.. --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --go_out=../.. --go_opt=paths=source_relative hindcast/v1/envelope.proto"
