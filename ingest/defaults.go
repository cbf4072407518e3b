package ingest

import (
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// withDefaults makes a decoder that gives facts the input's defaults: events
// their service, environment and labels, alerts their labels. An alert stays
// the one that its sender's labels name, whatever it gets beside them: it is
// one with its sightings by other roads, and notifications find it. Log lines
// are not touched: their decoders know the defaults before they count.
func withDefaults(names event.LabelMap, decode Decoder) Decoder {
	return func(in Input) (event.Batch, error) {
		batch, err := decode(in)
		if len(in.Defaults) == 0 {
			return batch, err
		}
		service, environment := names.ServiceOf(in.Defaults), names.EnvironmentOf(in.Defaults)
		for i := range batch.Events {
			e := &batch.Events[i]
			if e.Service == "" {
				e.Service = service
			}
			if e.Environment == "" {
				e.Environment = environment
			}
			// Of these the fields have said all.
			e.Labels = e.Labels.Or(unsaid(in.Defaults, e.Labels, nil, names.Service, names.Environment))
		}
		for i := range batch.Observations {
			o := &batch.Observations[i]
			labels := o.Labels.Or(unsaid(in.Defaults, o.Labels,
				[][]string{names.Service, names.Environment, names.Severity, names.Team, names.Version}))
			if len(labels) > len(o.Labels) && !slices.Contains(o.SentFingerprints, o.Fingerprint) {
				// Its labels are not those of its fingerprint any more, which a
				// copy of it must not lose.
				o.SentFingerprints = append(slices.Clone(o.SentFingerprints), o.Fingerprint)
				slices.Sort(o.SentFingerprints)
			}
			o.Labels = labels
		}
		return batch, err
	}
}

// unsaid is the defaults without those that say what one of the labels says by
// another name, as env does what environment would, and without those of some
// names. A group is names of one thing.
func unsaid(defaults, labels event.Labels, groups [][]string, without ...[]string) event.Labels {
	out := event.Labels{}
	for name, value := range defaults {
		said := slices.ContainsFunc(groups, func(group []string) bool {
			return slices.Contains(group, name) && labels.First(group...) != ""
		}) || slices.ContainsFunc(without, func(group []string) bool { return slices.Contains(group, name) })
		if !said {
			out[name] = value
		}
	}
	return out
}
