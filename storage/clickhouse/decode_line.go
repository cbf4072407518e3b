package clickhouse

import (
	"fmt"
	"maps"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// lineFields are what lineDecoder.scan reads, in its order.
const lineFields = "toUnixTimestamp64Nano(at), source, n, service, environment, toUInt8(level), pattern, version, trace, labels, metadata, text"

// lineDecoder reads rows of lineFields. Lines of one stream share their labels.
// The zero lineDecoder is ready.
type lineDecoder struct {
	streams map[string]event.Labels
}

func (d *lineDecoder) scan(r driver.Rows) (line storage.StoredLine, place linePlace, err error) {
	var level uint8
	var pattern uint64
	var labels, metadata string
	err = r.Scan(&place.at, &place.source, &place.n, &line.Service, &line.Environment, &level, &pattern, &line.Version, &line.Trace, &labels, &metadata, &line.Text)
	if err != nil {
		return line, place, fmt.Errorf("read line: %w", err)
	}
	line.At, line.Level, line.Pattern = instant(place.at), event.Level(level), event.PatternID(pattern)
	line.Labels, err = d.labels(labels, metadata)
	return line, place, err
}

// labels are a stream's, and over them a line's own.
func (d *lineDecoder) labels(stream, metadata string) (event.Labels, error) {
	labels, ok := d.streams[stream]
	if !ok {
		if err := decodeLabels(stream, &labels); err != nil {
			return nil, err
		}
		if d.streams == nil {
			d.streams = make(map[string]event.Labels)
		}
		d.streams[stream] = labels
	}
	if metadata == "" {
		return labels, nil
	}
	var own event.Labels
	if err := decodeLabels(metadata, &own); err != nil {
		return nil, err
	}
	merged := make(event.Labels, len(labels)+len(own))
	maps.Copy(merged, labels)
	maps.Copy(merged, own)
	return merged, nil
}
