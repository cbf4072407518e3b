package main

import "strings"

// processes are those that the variables choose; expressions name them so.
var processes = strings.NewReplacer("$processes", `job=~"$job", instance=~"$instance"`)

// metric is a query in PromQL.
func metric(refID, expr, legend string) object {
	expr = processes.Replace(expr)
	return object{
		"refId": refID, "datasource": source(prometheus), "editorMode": "code", "expr": dedent(expr), "legendFormat": legend,
		"range": true, "instant": false,
	}
}

// watched is a panel over time of metrics: pairs of an expression and a legend.
func watched(w int, s style, title, description, empty, u string, pairs ...string) panel {
	p := overTime(w, s, title, description, empty, u, nil)
	var targets []object
	for i := 0; i < len(pairs); i += 2 {
		targets = append(targets, metric(string(rune('A'+i/2)), pairs[i], pairs[i+1]))
	}
	p.body["targets"] = targets
	return p
}

// now is a single number of metrics.
func now(w int, title, description, empty, u, expr string) panel {
	p := stat(w, title, description, empty, u, "")
	target := metric("A", expr, "")
	target["range"], target["instant"] = false, true
	p.body["options"].(object)["reduceOptions"].(object)["fields"] = ""
	p.body["targets"] = []object{target}
	return p
}

// sumRate is how fast a counter grows, by labels.
func sumRate(counter, by string) string {
	return "sum by (" + by + ") (rate(" + counter + "{$processes}[$__rate_interval]))"
}

// quantile is one of a histogram, by labels; "" for none.
func quantile(q, histogram, by string) string {
	return "histogram_quantile(" + q + ", " + sumRate(histogram+"_bucket", strings.TrimPrefix(by+", le", ", ")) + ")"
}

func p99(histogram, by string) string { return quantile("0.99", histogram, by) }

// quantiles are the median and the 99th percentile of a histogram.
func quantiles(histogram, by, legend string) []string {
	return []string{
		quantile("0.5", histogram, by), strings.TrimSpace("p50 " + legend),
		p99(histogram, by), strings.TrimSpace("p99 " + legend),
	}
}

func labelValues(name, label, description, query string) object {
	return object{
		"type": "query", "name": name, "label": label, "description": description, "datasource": source(prometheus),
		"definition": query, "query": object{"refId": "variable", "qryType": 5, "query": query},
		"refresh": 2, "regex": "", "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "hide": 0, "skipUrlSync": false,
		"options": []object{}, "current": object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
	}
}

const silent = "No data: is hindcast scraped?"

func itself() dashboard {
	return dashboard{
		uid: "hindcast-itself", title: "hindcast / hindcast itself", plugin: prometheus, from: "now-6h", refresh: "1m",
		description: "What hindcast takes in, refuses and derives, from its own metrics.",
		variables: []object{
			labelValues("job", "Job", "The job that scrapes hindcast", "label_values(hindcast_build_info, job)"),
			labelValues("instance", "Instance", "The processes", `label_values(hindcast_build_info{job=~"$job"}, instance)`),
		},
		rows: []row{
			{height: 4, panels: []panel{
				now(4, "Processes", "Processes that were scraped.", silent, "short", `count(hindcast_build_info{$processes})`),
				now(5, "Timelines lag, p99", "From the receipt of an alert or an event until the published timelines reflect it, over 15 minutes.", "Nothing came", "s",
					`histogram_quantile(0.99, sum by (le) (rate(hindcast_correlate_lag_seconds_bucket{$processes}[15m])))`),
				now(5, "Refused", "Requests that were refused and entries that were put aside in the last hour.", "None", "short",
					`sum(increase(hindcast_ingest_rejected_total{$processes}[1h]))`),
				now(5, "Appends that failed", "Batches that the store, or Kafka, did not take in the last hour. What came from Kafka is tried again; senders were told to.", "None", "short",
					`sum(increase(hindcast_ingest_append_errors_total{$processes}[1h]))`),
				now(5, "Configuration", "1 when the configuration was read the last time it was tried, else 0.", silent, "short",
					`min(hindcast_config_last_reload_successful{$processes})`),
			}},
			{title: "Taking in", height: 8, panels: []panel{
				watched(12, lines, "Facts", "Facts that were stored, by kind and by where they came from, and those that receivers forwarded to Kafka. Deliveries of known ones count too.", silent, "cps",
					sumRate("hindcast_ingest_facts_total", "kind, from"), "{{kind}} from {{from}}",
					sumRate("hindcast_ingest_forwarded_facts_total", "kind"), "{{kind}} forwarded"),
				watched(12, lines, "Requests", "Requests to receivers, by endpoint and status.", silent, "reqps",
					sumRate("hindcast_ingest_requests_total", "endpoint, code"), "{{endpoint}} {{code}}"),
			}},
			{height: 8, panels: []panel{
				watched(8, stackedBars, "Refusals", "Requests that were refused and entries that were put aside: docs/operating.md says what each reason means.", "None", "cps",
					sumRate("hindcast_ingest_rejected_total", "road, reason")+" > 0", "{{road}} {{reason}}"),
				watched(8, lines, "Bytes", "Bodies as they were sent, by endpoint.", silent, "Bps",
					sumRate("hindcast_ingest_received_bytes_total", "endpoint"), "{{endpoint}}"),
				watched(8, lines, "Since the last fact", "How long ago the latest fact of each road was received, of those that receivers took and of those that came from Kafka. A road that nothing came by since the start is not shown.", "Nothing came since the start", "s",
					`time() - max by (road, from) (hindcast_ingest_last_fact_timestamp_seconds{$processes})`, "{{road}} from {{from}}"),
			}},
			{height: 8, panels: []panel{
				watched(12, lines, "Answers to senders, p99", "Time from a request's header to its answer, by endpoint.", silent, "s",
					p99("hindcast_ingest_request_duration_seconds", "endpoint"), "{{endpoint}}"),
				watched(12, lines, "Under way", "Requests under way, by lane.", silent, "short",
					`sum by (lane) (hindcast_ingest_requests_in_flight{$processes})`, "{{lane}}"),
			}},
			{title: "Store", height: 8, panels: []panel{
				watched(8, lines, "Appends", "Time that the store, or Kafka, took to make a batch durable, by lane.", silent, "s",
					quantiles("hindcast_ingest_append_duration_seconds", "lane, from, to", "{{lane}}, {{from}} to {{to}}")...),
				watched(8, lines, "Queues", "Estimated bytes of facts that receivers took and that wait to be appended or are being appended, by lane.", silent, "bytes",
					`sum by (lane) (hindcast_ingest_queue_bytes{$processes})`, "{{lane}}"),
				watched(8, stackedBars, "Failures", "What failed on the store, or on Kafka, and was tried again, or split.", "None", "cps",
					sumRate("hindcast_ingest_append_errors_total", "lane, from, to")+" > 0", "append {{lane}}, {{from}} to {{to}}",
					sumRate("hindcast_ingest_batch_splits_total", "lane")+" > 0", "split {{lane}}",
					`sum(rate(hindcast_correlate_failures_total{$processes}[$__rate_interval])) > 0`, "derive",
					`sum(rate(hindcast_retention_failures_total{$processes}[$__rate_interval])) > 0`, "retention"),
			}},
			{height: 8, panels: []panel{
				watched(12, lines, "Batches", "Facts in a joint batch, log lines included, by lane.", silent, "short",
					quantiles("hindcast_ingest_batch_facts", "lane", "{{lane}}")...),
				watched(12, lines, "Since the last retention", "How long ago old facts were last deleted. It is tried once an hour.", "Nothing was deleted yet", "s",
					`time() - (max by (instance) (hindcast_retention_last_success_timestamp_seconds{$processes}) > 0)`, "{{instance}}"),
			}},
			{title: "Kafka", height: 8, panels: []panel{
				watched(8, lines, "Behind", "Records that are not committed yet, of the partitions that the processes have, by topic.", "Nothing is consumed", "short",
					`sum by (topic) (max by (topic, partition) (hindcast_kafka_lag_records{$processes}))`, "{{topic}}"),
				watched(8, lines, "Records consumed", "Records that were passed by a commit: stored, or among the dead letters.", "Nothing is consumed", "cps",
					sumRate("hindcast_kafka_records_total", "topic"), "{{topic}}"),
				watched(8, lines, "Records forwarded", "Records that receivers wrote to Kafka and all in-sync replicas have, and batches that could not be written.", "Nothing is forwarded", "cps",
					sumRate("hindcast_kafka_forwarded_records_total", "topic"), "{{topic}}",
					`sum(rate(hindcast_kafka_forward_errors_total{$processes}[$__rate_interval])) > 0`, "failed batches"),
			}},
			{height: 8, panels: []panel{
				watched(8, stackedBars, "Paused partitions", "Partitions in which a step failed and is tried again: the store, the dead letters or a broker does not answer.", "None", "short",
					`sum by (topic) (max by (topic, partition) (hindcast_kafka_paused{$processes})) > 0`, "{{topic}}",
					`sum(hindcast_kafka_stuck_partitions{$processes}) > 0`, "stuck"),
				watched(8, stackedBars, "Dead letters", "Records that could not be decoded: hindcast dead-letters lists them.", "None", "short",
					`sum by (topic, format) (increase(hindcast_kafka_dead_letters_total{$processes}[$__rate_interval])) > 0`, "{{topic}} {{format}}"),
				watched(8, stackedBars, "Gaps and refused topics", "Times that offsets were passed over because their records are gone, and topics that are configured and not consumed.", "None", "short",
					`sum by (topic) (increase(hindcast_kafka_gaps_total{$processes}[$__rate_interval])) > 0`, "gap {{topic}}",
					`max by (topic, reason) (hindcast_kafka_refused_topics{$processes}) > 0`, "{{topic}} {{reason}}"),
			}},
			{height: 8, panels: []panel{
				watched(12, lines, "Partitions", "Partitions that are assigned, by process.", "Nothing is consumed", "short",
					`sum by (instance) (hindcast_kafka_assigned_partitions{$processes})`, "{{instance}}"),
				watched(12, bars, "Rebalances", "Times that partitions were assigned to a process.", "Nothing is consumed", "short",
					`sum by (instance) (increase(hindcast_kafka_rebalances_total{$processes}[$__rate_interval]))`, "{{instance}}"),
			}},
			{title: "Deriving and giving out", height: 8, panels: []panel{
				watched(12, lines, "Owner of the timelines", "1 for the process that derives the timelines, 0 for those that stand by. Of the processes on a store one has 1.", silent, "short",
					`sum by (instance) (hindcast_correlate_owner{$processes})`, "{{instance}}"),
				watched(12, bars, "Take-overs", "Times that a process became the one that derives the timelines.", silent, "short",
					`sum by (instance) (increase(hindcast_correlate_takeovers_total{$processes}[$__rate_interval]))`, "{{instance}}"),
			}},
			{height: 8, panels: []panel{
				watched(8, lines, "Lag", "From the receipt of an alert or an event until the published timelines reflect it.", "Nothing came", "s",
					quantiles("hindcast_correlate_lag_seconds", "", "")...),
				watched(8, lines, "Derivations", "Time that one derivation took, with the logs that were read for it.", "Nothing was derived", "s",
					quantiles("hindcast_correlate_derive_duration_seconds", "", "")...),
				watched(8, lines, "Timelines published", "Timelines that were published because they are new, changed or gone.", silent, "cps",
					`sum(rate(hindcast_correlate_timelines_published_total{$processes}[$__rate_interval]))`, "published"),
			}},
			{height: 8, panels: []panel{
				watched(8, lines, "API, p99", "Time to answer a request to the API, by route.", "Nobody asked", "s",
					p99("hindcast_api_request_duration_seconds", "route"), "{{route}}"),
				watched(8, stackedBars, "Polls that failed", "How often asking an Alertmanager failed.", "None", "cps",
					sumRate("hindcast_poll_failures_total", "alertmanager")+" > 0", "{{alertmanager}}"),
				watched(8, lines, "Memory", "Resident memory of the processes.", silent, "bytes",
					`process_resident_memory_bytes{$processes}`, "{{instance}}"),
			}},
		},
	}
}
