package delivery

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMarkSurvivesItsMetadata(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Mark{
			Offset: rapid.Int64Range(0, 1<<50).Draw(t, "offset"),
			Topic:  rapid.StringN(0, 60, maxTopicID).Draw(t, "topic"),
		}
		if rapid.Bool().Draw(t, "pending") {
			m.Until = m.Offset + rapid.Int64Range(1, maxSpan).Draw(t, "span")
			m.Sum = rapid.SampledFrom([]string{"", "00000000", "89abcdef"}).Draw(t, "sum")
		}
		if got := ParseMark(m.Offset, m.Metadata()); got != m {
			t.Fatalf("%q: got %+v, want %+v", m.Metadata(), got, m)
		}
	})
}

func TestParseMark(t *testing.T) {
	for _, c := range []struct {
		name, metadata string
		want           Mark
	}{
		{"none", "", Mark{Offset: 7}},
		{"another's", "consumer-1@host", Mark{Offset: 7}},
		{"another's that looks like ours", "hindcast until=9", Mark{Offset: 7}},
		{"nothing pending", "hindcast/1?topic=abc", Mark{Offset: 7, Topic: "abc"}},
		{"pending", "hindcast/1?sum=0123abcd&topic=abc&until=9", Mark{Offset: 7, Until: 9, Sum: "0123abcd", Topic: "abc"}},
		{"more than is known", "hindcast/1?topic=abc&until=9&colour=red", Mark{Offset: 7, Until: 9, Topic: "abc"}},
		{"ends before it begins", "hindcast/1?topic=abc&until=7", Mark{Offset: 7, Topic: "abc"}},
		{"no number", "hindcast/1?topic=abc&until=nine", Mark{Offset: 7, Topic: "abc"}},
		{"more than a chunk ever spans", "hindcast/1?until=9223372036854775807", Mark{Offset: 7}},
		{"a sum of another length", "hindcast/1?until=9&sum=abc", Mark{Offset: 7, Until: 9}},
		{"broken escapes", "hindcast/1?topic=%zz&until=9", Mark{Offset: 7}},
	} {
		if got := ParseMark(7, c.metadata); got != c.want {
			t.Errorf("%s, %q: got %+v, want %+v", c.name, c.metadata, got, c.want)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add(int64(0), "")
	f.Add(int64(7), Mark{Offset: 7, Until: 20_007, Sum: "0123abcd", Topic: "sDQsSFJqQpKKLGjLhNWOCg"}.Metadata())
	f.Add(int64(-1), "hindcast/1?until=9")
	f.Add(int64(1<<62), "hindcast/1?until=9223372036854775807&sum=ffffffff&topic=%00")
	f.Add(int64(7), "hindcast/1?until=8;topic=a")
	f.Fuzz(func(t *testing.T, offset int64, metadata string) {
		m := ParseMark(offset, metadata)
		if m.Offset != offset {
			t.Fatalf("the offset %d became %d", offset, m.Offset)
		}
		if m.Until != 0 && (!m.Pending() || m.Until-m.Offset > maxSpan || m.Offset < 0) {
			t.Fatalf("%q gives the range [%d, %d)", metadata, m.Offset, m.Until)
		}
		if !m.Pending() && m.Sum != "" {
			t.Fatalf("%q gives a checksum of nothing", metadata)
		}
		if again := ParseMark(offset, m.Metadata()); again != m {
			t.Fatalf("%q gives %+v, and written again %+v", metadata, m, again)
		}
	})
}
