package correlate

import (
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// lab builds a suspicion in a few words: times are minutes before onset.
type lab struct {
	suspicion
}

var labOnset = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func newLab(alerting string, members ...string) *lab {
	l := &lab{suspicion{
		onset: labOnset, onsetKnown: true, detected: labOnset.Add(3 * time.Minute), environment: "prod",
		alerting: []string{alerting}, services: append([]string{alerting}, members...), calls: map[string][]string{},
	}}
	for _, s := range l.services {
		l.patterns = append(l.patterns, patternText{
			service: s, level: event.LevelInfo, template: "request served route=/v1", lines: []string{"request served route=/v1"},
			baseline: 60, count: 10, first: labOnset.Add(-time.Hour), last: labOnset.Add(10 * time.Minute),
		})
	}
	return l
}

func (l *lab) alert(summary string) *lab {
	l.alerts = append(l.alerts, alertText{
		service: l.alerting[0], labels: event.Labels{"alertname": "ServiceErrors"},
		annotations: event.Labels{"summary": summary}, startsAt: l.detected,
	})
	return l
}

func (l *lab) says(service string, level event.Level, line string) *lab {
	l.patterns = append(l.patterns, patternText{
		service: service, level: level, template: line, lines: []string{line}, isNew: true,
		count: 30, first: labOnset, last: labOnset.Add(10 * time.Minute),
	})
	for _, other := range l.services {
		if other != service && containsWord(line, other) {
			l.calls[service] = append(l.calls[service], other)
		}
	}
	return l
}

func (l *lab) add(minutes float64, e event.Change, service string) *lab {
	at := labOnset.Add(-time.Duration(minutes * float64(time.Minute)))
	if e.Kind == "" {
		e.Kind = event.ChangeDeploy
	}
	if e.Status == "" {
		e.Status = event.ChangeSucceeded
	}
	id := event.NewID(at, service, e.Version, e.Message)
	l.changes = append(l.changes, formChanges([]event.Event{{
		ID: id, Kind: event.KindChange, OccurredAt: at, Service: service, Environment: "prod", Change: &e,
	}}, nil)...)
	return l
}

// deploy adds a deploy of one commit. edit is its file, and its diff below.
func (l *lab) deploy(minutes float64, service, version, message, file, diff string) *lab {
	return l.add(minutes, event.Change{Version: version, Commits: []event.Commit{{
		SHA: event.NewID(labOnset, service, version).String(), Message: message, Files: strings.Fields(file), Diff: diff,
	}}}, service)
}

func (l *lab) flag(minutes float64, service, name string) *lab {
	return l.add(minutes, event.Change{Kind: event.ChangeFlag, Version: name + ": off->on", Message: name + " off->on"}, service)
}

func (l *lab) config(minutes float64, service, message string) *lab {
	return l.add(minutes, event.Change{Kind: event.ChangeConfig, Message: message}, service)
}

// tidy adds what is deployed all day and breaks nothing, as near as it gets.
func (l *lab) tidy(minutes float64, service string) *lab {
	return l.deploy(minutes, service, "tidy-"+service, "refactor: extract a helper", "src/"+service+"/view.go",
		"@@ func render @@\n-\tout := wrap(page)\n-\treturn out\n+\treturn wrapped(page)\n+}\n+\n+func wrapped(page Page) Page {\n+\tout := wrap(page)\n+\treturn out")
}

type kindCase struct {
	name string
	lab  *lab
	// want is "service version" of the suspect; "" for none.
	want string
}

const (
	warn  = event.LevelWarn
	fault = event.LevelError
)

var kindCases = []kindCase{
	{"flag whose feature the errors name", newLab("booking").
		alert("booking 5xx above 3%").
		says("booking", fault, "seat map renderer failed: seat_map_tiles returned an empty tile").
		tidy(1, "booking").
		flag(2, "booking", "seat_map_tiles").
		flag(4, "booking", "loyalty_banner"), "booking seat_map_tiles: off->on"},
	{"flag whose words the errors use", newLab("booking").
		alert("booking 5xx above 3%").
		says("booking", fault, "overbooking solver diverged after 90 iterations").
		flag(3, "booking", "overbooking_solver_v3").
		flag(4, "booking", "loyalty_banner"), "booking overbooking_solver_v3: off->on"},
	{"flags that have nothing to do with it", newLab("booking").
		alert("booking 5xx above 3%").
		says("booking", fault, "ledger write refused by peer").
		flag(1, "booking", "seat_map_tiles").
		tidy(3, "booking"), ""},
	{"pool made too small by configuration", newLab("orders", "web").
		alert("orders p99 above 2 s").
		says("orders", fault, "could not acquire connection from pool within 5s (in use 4, idle 0)").
		says("web", fault, "call to orders took too long").
		tidy(2, "orders").
		config(9, "orders", "db.pool.max_size 40 -> 4").
		flag(3, "web", "wide_layout"), "orders "},
	{"connections that are no longer released", newLab("profile").
		alert("profile errors").
		says("profile", fault, "pq: remaining connection slots are reserved for superuser connections").
		deploy(25, "profile", "3.2", "refactor: load avatars in one pass", "profile/avatar_store.go",
			"@@ func (s *Store) Avatars(ctx context.Context, ids []string) error {\n \trows, err := s.db.QueryContext(ctx, avatarsQuery, ids)\n-\tdefer rows.Close()\n \tfor rows.Next() {\n-\t\tcollect(rows)\n+\t\ts.keep(rows)\n").
		tidy(2, "profile"), "profile 3.2"},
	{"a map that only grows", newLab("geo").
		alert("geo memory above 95% of limit").
		says("geo", fault, "OOMKilled: container exceeded memory limit").
		says("geo", warn, "gc pause 840ms heap=1900MiB tileIndex entries=4100000").
		deploy(110, "geo", "9.1", "perf: remember tiles between requests", "geo/tile_index.go",
			"@@ type tileIndex struct @@\n-\ttiles *lru.Cache\n+\ttiles map[string]*tile\n@@ func (x *tileIndex) put(k string, t *tile) {\n-\tx.tiles.Add(k, t)\n-\tif x.tiles.Len() > maxTiles {\n-\t\tx.tiles.RemoveOldest()\n-\t}\n+\tx.tiles[k] = t\n").
		tidy(4, "geo").flag(12, "geo", "dark_basemap"), "geo 9.1"},
	{"a regular expression that backtracks", newLab("ingress-filter").
		alert("ingress-filter CPU saturated, p99 9 s").
		says("ingress-filter", warn, "rule evaluation slow: rule=strip_markup took 8200ms, cpu 99%").
		deploy(6, "ingress-filter", "v77", "feat: strip nested markup", "filter/rules/strip_markup.py",
			"@@ def build():\n-    return re.compile(r'<[^>]*>')\n+    return re.compile(r'(<(.|\\s)*>)*$')\n").
		deploy(1, "ingress-filter", "v78", "chore: bump deps", "requirements.txt", "-requests==2.31.0\n+requests==2.31.1\n"), "ingress-filter v77"},
	{"a cache that expires at once", newLab("catalog", "pricing").
		alert("pricing overloaded").
		says("catalog", warn, "cache miss stampede on price_quotes: hit ratio 0.04").
		says("catalog", fault, "pricing timed out after 2s").
		says("pricing", warn, "queue depth 900, load shed").
		deploy(7, "catalog", "12", "tune cache", "catalog/config.yaml", "@@ price_quotes @@\n cache:\n-  price_quotes_ttl: 600s\n+  price_quotes_ttl: 6s\n").
		tidy(2, "pricing"), "catalog 12"},
	{"a migration that locks a table", newLab("accounts").
		alert("accounts write latency").
		says("accounts", fault, "canceling statement due to lock timeout: UPDATE account_balances").
		add(1, event.Change{Kind: event.ChangeMigration, Version: "0187", Message: "ALTER TABLE account_balances ADD COLUMN frozen boolean NOT NULL DEFAULT false"}, "accounts").
		tidy(3, "accounts"), "accounts 0187"},
	{"a typing error in configuration", newLab("mailer").
		alert("mailer cannot send").
		says("mailer", fault, "dial tcp: lookup smpt.relay.local: no such host").
		deploy(3, "mailer", "41", "move relay settings", "mailer/config/relay.yaml", "@@ relay @@\n-host: smtp.relay.local\n+host: smpt.relay.local\n").
		tidy(1, "mailer"), "mailer 41"},
	{"a retry storm", newLab("ledger", "gateway-edge").
		alert("ledger saturated").
		says("ledger", fault, "too many requests from gateway-edge: 429, shedding").
		says("gateway-edge", warn, "retrying ledger call attempt=9").
		deploy(12, "gateway-edge", "5.5", "raise resilience of ledger calls", "edge/ledger_client.ts",
			"@@ const options @@\n-  maxRetries: 2,\n+  maxRetries: 10,\n-  backoffMs: 400,\n+  backoffMs: 10,\n").
		tidy(1, "ledger"), "gateway-edge 5.5"},
	{"a comparison turned round", newLab("vouchers").
		alert("vouchers rejected").
		says("vouchers", fault, "voucher rejected: redemption window closed").
		deploy(2, "vouchers", "2.0", "simplify redemption window check", "vouchers/RedemptionWindow.java",
			"@@ boolean isOpen(Instant now) @@\n-        return now.isBefore(redemptionWindow.closesAt());\n+        return now.isAfter(redemptionWindow.closesAt());\n").
		tidy(1, "vouchers"), "vouchers 2.0"},
	{"a null dereference in Java", newLab("shipping").
		alert("shipping 5xx").
		says("shipping", fault, `java.lang.NullPointerException: Cannot invoke "Parcel.weight()" at com.acme.shipping.RateQuoter.quote(RateQuoter.java:88)`).
		deploy(4, "shipping", "88", "tidy quoting", "shipping/src/main/java/com/acme/shipping/RateQuoter.java",
			"@@ Quote quote(Order order) @@\n-        if (parcel == null) { return Quote.none(); }\n         return rate(parcel.weight());\n").
		deploy(1, "shipping", "89", "docs", "docs/quotes.md", "+more words about parcel weight"), "shipping 88"},
	{"a shared library, on the dependency that fails", newLab("storefront", "tax").
		alert("storefront 5xx").
		says("storefront", fault, "call to tax failed: 500").
		says("tax", fault, "TypeError: Cannot read properties of undefined (reading 'vatBands') at lookupBand (bands.js:41:12)").
		deploy(5, "tax", "t9", "reshape band table", "tax/lib/bands.js", "@@ function lookupBand(country) @@\n-  const bands = table[country] ?? table.default;\n+  const bands = table[country].vatBands;\n").
		tidy(2, "storefront"), "tax t9"},
	{"deploy of which nothing is known but its version in the lines", labVersions(), "billing 7.0"},

	{"a switch for what would else be somebody's quota", newLab("edge-api").
		alert("edge-api rejects 40% of requests").
		says("edge-api", fault, "request rejected: 429 rate limit exceeded, limiter token_bucket").
		flag(3, "edge-api", "token_bucket_limiter").
		tidy(1, "edge-api"), "edge-api token_bucket_limiter: off->on"},

	{"name resolution fails", newLab("search").
		alert("search errors").
		says("search", fault, "lookup index-7.corp.internal on 10.0.0.2:53: server misbehaving SERVFAIL").
		says("search", fault, "getaddrinfo EAI_AGAIN index-7.corp.internal").
		deploy(2, "search", "s1", "tune index client timeouts", "search/index_client.py", "@@ class IndexClient @@\n-    timeout = 2\n+    timeout = 3\n").
		tidy(1, "search"), ""},
	{"a provider is down", newLab("notifier").
		alert("notifier delivery failures").
		says("notifier", fault, "POST https://api.smsvendor.com/v2/send: 503 Service Unavailable").
		deploy(5, "notifier", "n1", "refactor sms sender", "notifier/sms_sender.rb", "@@ def deliver @@\n-  client.post(payload)\n+  vendor_client.post(payload.to_h)\n").
		flag(2, "notifier", "sms_sender_async"), ""},
	{"traffic surges", newLab("tickets").
		alert("tickets p99 above 4 s; inbound requests 9x baseline").
		says("tickets", warn, "request queue saturated: inbound rate 8100 rps, 9x normal").
		says("tickets", warn, "autoscaler at max replicas 40").
		deploy(6, "tickets", "k4", "perf: reuse buffers in queue encoder", "tickets/queue/encoder.go", "@@ func encode @@\n-\tb := new(bytes.Buffer)\n+\tb := pool.Get().(*bytes.Buffer)\n+\tdefer pool.Put(b)\n").
		flag(3, "tickets", "queue_metrics"), ""},
	{"a licence expired", newLab("render").
		alert("render jobs rejected").
		says("render", fault, "engine refused job: license expired on 2026-03-04").
		deploy(4, "render", "r8", "refactor: pass engine options explicitly", "render/engine.py", "@@ def start(job) @@\n-    engine.run(job)\n+    engine.run(job, options=defaults())\n").
		flag(1, "render", "engine_preview"), ""},
	{"a node dies", newLab("feed").
		alert("feed p99").
		says("feed", warn, "worker heartbeat late 8s").
		says("kubelet", warn, "Node pool-a-17 is NotReady: MemoryPressure, evicting pods").
		deploy(3, "feed", "f2", "chore: adjust worker heartbeat log", "feed/worker.go", "@@ func beat @@\n-\tlog.Printf(\"beat\")\n+\tlog.Printf(\"worker heartbeat %s\", id)\n").
		deploy(12, "feed", "f1", "raise worker cache", "feed/config.yaml", "-cache_entries: 1000\n+cache_entries: 1200\n"), ""},
	{"the database fails over", newLab("cart").
		alert("cart 5xx").
		says("cart", fault, "ERROR: cannot execute INSERT in a read-only transaction (primary changed)").
		says("cart", fault, "connection reset by peer db-main").
		deploy(9, "cart", "c3", "refactor: collect inserts in helper", "cart/store.go", "@@ func save @@\n-\t_, err := db.Exec(insertItem, id)\n-\treturn err\n+\treturn insert(db, id)\n+}\n+\n+func insert(db *sql.DB, id string) error {\n+\t_, err := db.Exec(insertItem, id)\n+\treturn err\n").
		tidy(2, "cart"), ""},
	{"a quota of somebody else's is used up, beside tuning", newLab("assistant").
		alert("assistant completions failing").
		says("assistant", fault, "completion failed: 429 Too Many Requests: monthly token quota exceeded").
		deploy(14, "assistant", "a5", "tune completion retries", "assistant/completion.ts", "@@ options @@\n-  maxRetries: 3,\n+  maxRetries: 4,\n").
		flag(2, "assistant", "completion_markdown"), ""},
	{"the clock of a host is off", newLab("signer").
		alert("signer rejects requests").
		says("signer", fault, "signature rejected: request timestamp in the future, clock skew 312s (ntp unsynchronised)").
		deploy(4, "signer", "g2", "tidy signature errors", "signer/errors.go", "@@ func reject @@\n-\thttp.Error(w, \"bad signature\", 401)\n+\thttp.Error(w, \"signature rejected\", 401)\n").
		tidy(1, "signer"), ""},
	{"an API key expired, beside its refactoring", newLab("geocoder").
		alert("geocoder lookups fail").
		says("geocoder", fault, "lookup denied: 401 api key expired").
		deploy(18, "geocoder", "h2", "refactor: read the api key from the vault", "geocoder/keys.py", "@@ def key() @@\n-    return os.environ['GEO_API_KEY']\n+    return vault.read('geo/api_key')\n").
		tidy(1, "geocoder"), ""},
	{"a partner sends bad files, beside an unrelated feature", newLab("importer").
		alert("importer failures").
		says("importer", fault, "malformed record received from partner feed: row 18 has 11 columns").
		deploy(2, "importer", "i2", "feat: report progress of imports", "importer/progress.go", "@@ func report @@\n+\tfor _, job := range jobs {\n+\t\tgauge.Set(job.Name, job.Done)\n+\t}\n").
		flag(3, "importer", "import_emails"), ""},
	{"a dependency is down that nobody deployed", newLab("quotes", "web").
		alert("quotes: target down").
		says("web", fault, "upstream call failed upstream=quotes status=502").
		add(6, event.Change{Version: "w2", Commit: "0123456789abcdef"}, "web").
		add(1, event.Change{Version: "x7", Commit: "fedcba9876543210"}, "exports"), ""},
}

// labVersions is a rollout of which nothing is known; the old version runs on
// beside the new one.
func labVersions() *lab {
	l := newLab("billing").alert("billing errors")
	l.patterns[0].version = "6.9"
	l.says("billing", fault, "invoice could not be closed")
	l.patterns[len(l.patterns)-1].version = "7.0"
	l.add(1, event.Change{Version: "7.0", Commit: "00c0ffee00c0ffee"}, "billing")
	return l.add(3, event.Change{Version: "2.2", Commit: "0badf00d0badf00d"}, "reports")
}

func TestWeighKindsOfTrouble(t *testing.T) {
	for _, c := range kindCases {
		t.Run(c.name, func(t *testing.T) {
			got := weigh(c.lab.suspicion)
			suspect := ""
			if s := suspectOf(got); s != nil {
				suspect = s.Service + " " + s.Version
			}
			t.Logf("\n%s", describe(got))
			if suspect != c.want {
				t.Errorf("suspect is %q, want %q", suspect, c.want)
			}
		})
	}
}

// A change that is like any other in time and place is not blamed for that.
func TestWeighBlamesNobodyForTimeAndPlace(t *testing.T) {
	l := newLab("booking").alert("booking 5xx").says("booking", fault, "ledger write refused by peer")
	l.deploy(0.2, "booking", "1", "feat: sort the list of airports", "booking/airports.go", "@@ func list @@\n+\tsort.Strings(airports)\n")
	got := weigh(l.suspicion)
	if s := suspectOf(got); s != nil {
		t.Errorf("blamed %s %s:\n%s", s.Service, s.Version, describe(got))
	}
	if got[0].Verdict != timeline.VerdictUnlikely {
		t.Errorf("verdict %s, want unlikely", got[0].Verdict)
	}
}
