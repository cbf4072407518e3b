package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// maxPartitions is how many partitions an insert may touch. The engine refuses
// more than 100, and every one makes a part.
const maxPartitions = 50

// block is rows of one table that were encoded together, as columns.
type block struct {
	columns []any
	// partitions are those of the rows: maxPartitions at most.
	partitions []int32
}

// dealer deals rows out to builders of blocks so that no block has rows of more
// than maxPartitions partitions. Rows of one partition stay together.
type dealer[B any] struct {
	builders   []*B
	partitions [][]int32
	where      map[int32]*B
	last       int32
	current    *B
}

// builder is where a row of a partition goes.
func (d *dealer[B]) builder(partition int32) *B {
	if d.current != nil && d.last == partition {
		return d.current
	}
	b, ok := d.where[partition]
	if !ok {
		n := len(d.builders) - 1
		if n < 0 || len(d.partitions[n]) == maxPartitions {
			d.builders, d.partitions = append(d.builders, new(B)), append(d.partitions, nil)
			n++
		}
		if d.where == nil {
			d.where = make(map[int32]*B)
		}
		b = d.builders[n]
		d.where[partition], d.partitions[n] = b, append(d.partitions[n], partition)
	}
	d.last, d.current = partition, b
	return b
}

// blocks are what was dealt.
func (d *dealer[B]) blocks(columns func(*B) []any) []block {
	out := make([]block, len(d.builders))
	for i, b := range d.builders {
		out[i] = block{columns(b), d.partitions[i]}
	}
	return out
}

// inserts joins blocks to as few inserts as may be.
func inserts(table string, columns []insertColumn, blocks []block) []tableInsert {
	var list []tableInsert
	var touched map[int32]bool
	for _, b := range blocks {
		fresh := 0
		for _, p := range b.partitions {
			if !touched[p] {
				fresh++
			}
		}
		if len(list) == 0 || len(touched)+fresh > maxPartitions {
			list = append(list, tableInsert{table: table, columns: columns})
			touched = make(map[int32]bool)
		}
		for _, p := range b.partitions {
			touched[p] = true
		}
		last := &list[len(list)-1]
		last.blocks = append(last.blocks, b.columns)
	}
	return list
}

// monthOf is the partition of an ID, as schema.month has it.
func monthOf(id event.ID) int32 {
	y, m, _ := id.Time().Date()
	return int32(y*100 + int(m))
}

// days finds the partition of a time, as schema.day has it. It remembers the
// last one: lines come in order of time.
type days struct {
	from, until int64 // in seconds
	partition   int32
}

func (d *days) of(t time.Time) int32 {
	if s := t.Unix(); s < d.from || s >= d.until {
		y, m, day := t.UTC().Date()
		d.from = time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Unix()
		d.until = d.from + 86400
		d.partition = int32(y*10000 + int(m)*100 + day)
	}
	return d.partition
}
