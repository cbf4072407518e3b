package grafana

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// mayBeEmpty are the panels that need no row on the recorded cases, and why.
var mayBeEmpty = map[string]string{}

// TestPanelsRun runs every query in SQL of every dashboard on the engine: of its
// panels, annotations and variables. None may fail, and each must have rows.
func TestPanelsRun(t *testing.T) {
	data := theCases(t)
	for _, d := range dashboards(t) {
		queries := d.sql()
		if len(queries) == 0 {
			continue
		}
		t.Run(d.UID, func(t *testing.T) {
			v := data.look(t, d)
			for _, q := range queries {
				t.Run(q.where, func(t *testing.T) {
					rows := data.run(t, v, q.sql)
					if reason := mayBeEmpty[d.UID+"/"+q.where]; reason == "" && !hasValue(rows) {
						t.Errorf("no rows, or none with a value:\n%s", q.sql)
					} else if reason != "" && hasValue(rows) {
						t.Errorf("it has rows: it need not be among those that may be empty")
					}
					if q.chooses() {
						data.run(t, v.narrowed(), q.sql)
					}
				})
			}
		})
	}
}

// chooses reports whether a query depends on a variable with the entry All.
func (q sqlQuery) chooses() bool { return strings.Contains(q.sql, "$__conditionalAll") }

// narrowed is the view with two of the values chosen where all were.
func (v view) narrowed() view {
	chosenFew := map[string]chosen{}
	for name, c := range v.chosen {
		if c.all {
			c.values, c.all = c.values[:min(2, len(c.values))], false
		}
		chosenFew[name] = c
	}
	v.chosen = chosenFew
	return v
}

// hasValue reports whether there is a row with a value beside its first.
func hasValue(rows [][]string) bool {
	return slices.ContainsFunc(rows, func(row []string) bool {
		return len(row) == 1 && row[0] != "NULL" || len(row) > 1 && slices.ContainsFunc(row[1:], func(s string) bool { return s != "NULL" })
	})
}

// run runs a query as the data source would.
func (r recorded) run(t *testing.T, v view, sql string) [][]string {
	t.Helper()
	expanded, err := v.expand(sql)
	if err != nil {
		t.Fatalf("%v in\n%s", err, sql)
	}
	rows, err := r.rows(t.Context(), expanded)
	if err != nil {
		t.Fatalf("%v in\n%s", err, expanded)
	}
	return rows
}

// rows asks the database with the client that the data source has, every value
// as text.
func (r recorded) rows(ctx context.Context, sql string) ([][]string, error) {
	rows, err := r.conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		var values []any
		for _, column := range rows.ColumnTypes() {
			values = append(values, reflect.New(column.ScanType()).Interface())
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		var texts []string
		for _, value := range values {
			texts = append(texts, textOf(reflect.ValueOf(value).Elem()))
		}
		all = append(all, texts)
	}
	return all, rows.Err()
}

func textOf(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "NULL"
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// look is how a dashboard is looked at: its whole time range and all values, or
// one incident and the time around it.
func (r recorded) look(t *testing.T, d dashboard) view {
	t.Helper()
	v := view{from: r.from, to: r.to, interval: time.Hour, chosen: map[string]chosen{}}
	for _, one := range d.Templating.List {
		switch {
		case one.Type == "datasource":
		case one.Type == "query" && one.Multi:
			rows := r.run(t, v, one.rawSQL(t))
			c := chosen{multi: true, all: true}
			for _, row := range rows {
				c.values = append(c.values, row[0])
			}
			v.chosen[one.Name] = c
		case one.Type == "query":
			if one.Name != "incident" {
				t.Fatalf("this test does not know what to choose for %s", one.Name)
			}
			i := r.telling(t)
			v.chosen[one.Name] = chosen{values: []string{i.Incident.ID.String()}}
		default:
			v.chosen[one.Name] = chosen{values: []string{fmt.Sprint(one.Current.Value)}, text: fmt.Sprint(one.Current.Text)}
		}
	}
	if d.UID == "hindcast-incident" {
		i := r.telling(t).Incident
		v.from, v.to, v.interval = i.StartedAt.Add(-30*time.Minute), i.EndedAt.Add(15*time.Minute), 5*time.Second
	}
	return v
}

// telling is an incident that has all that a dashboard of one incident shows.
func (r recorded) telling(t *testing.T) timeline.Timeline {
	t.Helper()
	for _, one := range r.timelines {
		if one.Incident.EndedAt != nil && len(one.Gaps) > 0 && len(one.Participants) > 0 && len(one.Changes) > 0 && one.Milestone(timeline.Onset) != nil {
			return one
		}
	}
	t.Fatal("no incident has all that a dashboard shows")
	return timeline.Timeline{}
}

// TestLinksToIncidents follows the links of the table of incidents: the ID that
// the view writes is the one that the API takes.
func TestLinksToIncidents(t *testing.T) {
	data := theCases(t)
	rows, err := data.rows(t.Context(), "SELECT id FROM v_incidents ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, row := range rows {
		got = append(got, row[0])
	}
	for _, one := range data.timelines {
		want = append(want, one.Incident.ID.String())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the view has %q, the store has %q", got, want)
	}
}

// TestViewsSayWhatTheAPISays compares every milestone and duration of the
// recorded cases.
func TestViewsSayWhatTheAPISays(t *testing.T) {
	data := theCases(t)
	var want []string
	for _, one := range data.timelines {
		id := one.Incident.ID.String()
		for _, m := range one.Milestones {
			at := "NULL"
			if m.At != nil {
				at = fmt.Sprint(m.At.UnixNano())
			}
			want = append(want, fmt.Sprint(id, " ", m.Name, " ", at, " ", m.Confidence))
		}
		for name, d := range one.Durations {
			want = append(want, fmt.Sprint(id, " ", name, " ", d.Seconds, " ", d.Basis))
		}
	}
	var got []string
	for _, query := range []string{
		"SELECT incident, name, toUnixTimestamp64Nano(at), confidence FROM v_milestones",
		"SELECT incident, name, seconds, basis FROM v_durations WHERE basis != 'missing'",
	} {
		rows, err := data.rows(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			got = append(got, strings.Join(row, " "))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 100 {
		t.Fatalf("the cases have only %d milestones and durations", len(want))
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the views do not say: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the views have %d milestones and durations, the API has %d", len(got), len(want))
	}
}
