package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// The log lines are those of twenty services on four nodes, five patterns a
// service: a node's shipper pushes what its services wrote within a second.
const (
	linesPerPush   = 1000
	nodes          = 4
	servicesOfNode = 5
)

// pushBody is a push in protobuf and snappy of what one node wrote in the
// second before at. Like numbers give like lines.
func pushBody(n int, at time.Time, lines int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	body := make([]byte, 0, 256*lines)
	for i := range servicesOfNode {
		service := fmt.Sprintf("shop-%02d", n%nodes*servicesOfNode+i)
		// Loki's logproto: a push has streams (1), a stream labels (1) and entries
		// (2), an entry a timestamp (1) and a line (2).
		stream := appendText(nil, 1, fmt.Sprintf(`{app="%s", namespace="shop", env="prod", pod="%s-7d4b9c-x2x1z", node="node-%d"}`, service, service, n%nodes))
		for j := range lines / servicesOfNode {
			when := at.Add(time.Second * time.Duration(j*servicesOfNode-lines) / time.Duration(lines))
			entry := appendText(nil, 1, string(timestamp(when)))
			entry = appendText(entry, 2, line(r, service, when))
			stream = appendText(stream, 2, string(entry))
		}
		body = appendText(body, 1, string(stream))
	}
	return snappy.Encode(nil, body)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

// timestamp is a google.protobuf.Timestamp.
func timestamp(t time.Time) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t.Unix()))
	return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(t.Nanosecond()))
}

// line is one of the five patterns: most are information, one in a hundred is
// an error.
func line(r *rand.Rand, service string, at time.Time) string {
	b := make([]byte, 0, 256)
	number := func(below int) { b = strconv.AppendInt(b, int64(r.IntN(below)), 10) }
	text := func(s string) { b = append(b, s...) }
	stamp := func() { b = at.AppendFormat(b, time.RFC3339Nano) }
	switch p := r.IntN(100); {
	case p < 60:
		text("ts=")
		stamp()
		text(" level=info caller=server.go:118 msg=\"request done\" method=GET path=/api/v1/orders/")
		number(1e6)
		text(" status=200 duration=")
		number(900)
		text("ms bytes=")
		number(90_000)
		text(" request_id=")
		b = strconv.AppendUint(b, r.Uint64(), 16)
	case p < 85:
		text("ts=")
		stamp()
		text(" level=info caller=cache.go:57 msg=\"cache lookup\" key=order:")
		number(1e6)
		text(" hit=true size=")
		number(5000)
	case p < 96:
		text(`{"time":"`)
		stamp()
		text(`","level":"info","msg":"job finished","job":"sync","items":`)
		number(1000)
		text(`,"took":0.`)
		number(1000)
		text(`,"trace_id":"`)
		b = strconv.AppendUint(b, r.Uint64(), 16)
		text(`"}`)
	case p < 99:
		text("ts=")
		stamp()
		text(" level=warn caller=pool.go:210 msg=\"pool nearly exhausted\" used=")
		number(100)
		text(" waiting=")
		number(20)
	default:
		text("ts=")
		stamp()
		text(" level=error caller=charge.go:88 msg=\"upstream call failed\" upstream=")
		text(service)
		text("-db status=503 attempt=")
		number(4)
		text(" trace=")
		b = strconv.AppendUint(b, r.Uint64(), 16)
	}
	return string(b)
}
