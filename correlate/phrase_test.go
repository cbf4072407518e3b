package correlate

import (
	"strings"
	"testing"
)

// phraseCases are what people and machines write at work, and what of it counts.
var phraseCases = map[meaning][]string{
	meansAcknowledges: {
		"ack", "Ack.", "ACK!", "acked", "acknowledged", "ack, checking the graphs", "ack'd", ":eyes: ack",
		"on it", "On it!", "I'm on it", "i’m on it", "we're on it", "*on it*", "I am on this", "I'm on call for this, looking",
		"looking", "looking into it", "looking at payments", "I'm looking at the checkout errors", "i am looking into this now",
		"taking a look", "having a look at payments", "let me take a look", "let me check", "I'll take a look", "I'll take this one",
		"I'll check the dashboards", "I will investigate", "investigating", "Investigating checkout errors now", "we are investigating",
		"checking the logs of payments", "checking", "taking this", "taking it", "taking over from Sam", "mine", "got it", "got this one", "I've got this",
		"picking this up", "paged in, reading up", "digging into the slow queries", "triaging", "joining the call",
		"I'll drive the incident", "I'm incident commander", "IC here", "I'm debugging search", "I have this", "I'll handle it", "I can take a look",
		"I can take this", "ok I'm on it", "hi, looking at the payments 500s", "will look at it", "will take a look in 2 min", "started investigating the 502s on checkout",
	},
	meansRemedies: {
		"rolling back payments", "Rolling back payments to 1.0.0", "rolled back checkout to 3.2", "rolled payments back to 1.9", "I'm rolling it back", "let's roll back",
		"rollback of payments started", "rollback in progress", "reverting the deploy", "reverted 4f2a9c in production", "I reverted the config change",
		"restarting the payments pods", "restarted redis", "bouncing the workers", "failing over to the replica", "failed over to eu-west-1",
		"scaling up checkout to 12 replicas", "scaled out the consumers", "disabling the new_checkout flag", "turned off the recommendation widget", "flipped the flag off",
		"turning the feature off", "pushing a fix", "hotfix is going out", "deploying the fix now", "rolled out a fix for the NPE", "draining node-7", "rotated the expired certificate",
		"renewed the TLS cert on edge", "purging the CDN cache", "increasing the connection pool to 50", "bumped memory limits of search", "raised the quota",
		"throttling the noisy tenant", "blocking the crawler", "freed disk space on db-2", "cleaned up old logs on db-2", "killed the runaway query", "killing the stuck job",
		"rolled back payments, errors are not gone yet", "payments was rolled back to 1.9", "Ok, rolled back. Is it better?", "we're restarting the payments pods", "we just reverted it",
	},
	meansFailed: {
		"rollback of payments failed", "the rollback failed: image not found", "rollback didn't help", "restart did not help, still 500s", "the fix didn't work",
		"failover is stuck", "the revert had no effect", "scale up did not help", "hotfix deploy failed",
	},
	meansResolves: {
		"all clear", "all good now", "everything is back to normal", "payments is back to normal", "back to normal", "errors have stopped", "errors are gone", "the errors stopped",
		"checkout has recovered", "recovered", "payments recovered after the restart", "incident resolved", "incident is over", "we're resolved", "service restored",
		"error rate is back to baseline", "it's resolved", "rollback done, errors gone", "rolled back, all green", "all green again", "looks healthy again", "resolved", "this is resolved now",
	},
	meansReports: {
		"looks like checkout is slow", "checkout seems down", "is checkout down?", "customers are reporting failed payments", "users can't log in", "customers cannot pay", "support is getting calls about checkout",
		"seeing lots of 500s on checkout", "getting a lot of timeouts from payments", "increased latency on checkout", "elevated error rate on search", "spike in errors on payments", "search is broken",
		"payments appears to be degraded", "anyone else seeing errors on search?", "the site is down", "checkout is returning 502s", "seeing elevated latency in eu-west", "p99 of search is through the roof", "is payments down for anyone else?",
		"checkout isn't working", "seeing increased timeouts on checkout", "search is not responding", "merchants report that refunds are not working", "someone reported that login is broken",
	},
	meansNothing: {
		"", " ", "lunch?", "thanks", "thank you all", "good morning", "+1", "👍", "standup in 5", "who is on call this week?",
		// Questions and requests claim nothing.
		"is anyone looking?", "is anyone looking at this?", "is anybody on it?", "can someone check checkout?", "could somebody take this?", "who is looking at payments?", "who's on it?",
		"can you check payments?", "could you take a look", "please look at payments", "please ack", "should we roll back?", "should we roll back payments?", "should I restart it?", "shall we roll back?",
		"do we need to roll back?", "have you rolled back?", "did the rollback work?", "are we rolling back?", "has anyone acked?", "did anyone restart redis", "rolling back?", "on it?", "any updates?", "is it resolved?", "are the errors gone?", "are we back to normal?",
		"dana, can you take this?", "@dana are you looking?", "do you want me to take it?", "want me to roll back?", "what if we roll back?", "maybe we should roll back", "we might have to roll back", "we could restart it", "if this continues we'll roll back", "I would roll back",
		// Negations.
		"not looking yet", "nobody is looking at this", "no one is on it", "I'm not on it", "I'm not looking at this", "don't roll back", "do not roll back yet", "we haven't rolled back", "haven't restarted anything", "not resolved", "not resolved yet", "it's not back to normal", "errors have not stopped", "still not recovered", "payments has not recovered", "never acked", "I can't take this", "I can't look right now", "not mine", "didn't roll back", "no need to roll back", "not fixed", "errors are not gone",
		"I'm stopping, no longer looking at this",
		// Announcements of releases are no remedies, and talk of other times no claims.
		"deployed search 3.4.1", "deploying checkout 2.0", "Deploy of payments 2.1.0 succeeded", "shipping the new header today", "released mailer 1.2", "starting the deploy of search 3.4.1", "search 3.4.1 is live",
		"[CI] build 1234 passed", "merged #88", "PR #12 is ready for review", "the rollback last week was a mess", "yesterday we rolled back payments", "looking forward to the weekend", "looking good",
		"my laptop is slow today", "resolved the merge conflict", "checking out early today", "I'm taking Friday off", "I'll be on holiday next week", "I'll take lunch now", "back in 5", "got it, thanks", "that's mine, the blue mug",
		"restarting my laptop", "the docs say how to roll back", "here is how to revert a commit", "I'm checking my calendar", "the runbook says to restart redis",
		// What others do is not the author's claim, what machines do no remedy.
		"dana is looking at it", "the DB team is looking into it", "he's on it", "they are investigating", "@dana is restarting redis", "dana is rolling back payments", "the pods keep restarting", "pods restarted 5 times", "requests are being throttled by AWS", "I'm blocked on the review",
		"Sam will take a look", "you take it", "AWS is investigating",
		// Quotations and reservations.
		"> rolling back payments", "&gt; on it\nthanks", "```\nI0301 restarted container\n```", "almost back to normal", "let me know when it's resolved", "waiting until the errors are gone", "tell me once you rolled back",
		"if it happens again, roll back", "sleep on it", "put a sticker on it", "no errors on checkout", "checkout is not down", "not seeing any errors", "blocked by the freeze",
		// Other languages claim nothing unless a site says so.
		"ich schaue mir das an", "je regarde", "wir haben ein Problem", "estoy en ello", "調査します", "смотрю", "Rollback läuft", "прод лежит",
	},
}

// TestRead holds the default rules against what people write. They are meant
// to be precise first: a claim that nobody made names the wrong person.
func TestRead(t *testing.T) {
	p, err := compilePhrases(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for want, texts := range phraseCases {
		for _, text := range texts {
			n++
			if got := p.read(text); got != want {
				t.Errorf("%q is read as %q, want %q", text, got, want)
			}
		}
	}
	t.Logf("%d messages", n)
}

// TestReadOwnPhrases: a site's rules come before the default ones, and what
// asks claims nothing by them either.
func TestReadOwnPhrases(t *testing.T) {
	p, err := compilePhrases([]Phrase{
		{Pattern: `^(ich schau|schaue mir) .*an`, Means: "acknowledges"},
		{Pattern: `runbook \d+ (started|applied)`, Means: "remedies"},
		{Pattern: `^looking at the menu`, Means: "reports"},
		{Pattern: `wieder gut`, Means: "resolves"},
		{Pattern: `klappt nicht`, Means: "remedy_failed"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]meaning{
		"Schaue mir payments an":  meansAcknowledges,
		"RUNBOOK 12 applied":      meansRemedies,
		"runbook 12 applied?":     meansNothing,
		"looking at the menu":     meansReports,
		"alles wieder gut":        meansResolves,
		"rollback klappt nicht":   meansFailed,
		"on it":                   meansAcknowledges,
		"nobody started anything": meansNothing,
	} {
		if got := p.read(text); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}

func TestCompilePhrasesRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		phrase Phrase
		says   string
	}{
		{"an expression that does not compile", Phrase{Pattern: "(", Means: "resolves"}, "phrases[1].pattern"},
		{"a meaning that does not exist", Phrase{Pattern: "x", Means: "fixes"}, "phrases[1].means"},
		{"no meaning", Phrase{Pattern: "x"}, "phrases[1].means"},
	} {
		_, err := compilePhrases([]Phrase{{Pattern: "ok", Means: "resolves"}, test.phrase})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want one that names %s", test.name, err, test.says)
		}
		cfg := DefaultConfig()
		cfg.Phrases = []Phrase{{Pattern: "ok", Means: "resolves"}, test.phrase}
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: an engine takes it", test.name)
		}
	}
}

// TestReadBounds: only the first bytes of a message count, and no text harms.
func TestReadBounds(t *testing.T) {
	p, _ := compilePhrases(nil)
	if got := p.read(strings.Repeat("x ", maxRead) + "on it"); got != meansNothing {
		t.Errorf("what stands after %d bytes is read as %q", maxRead, got)
	}
	for _, text := range []string{strings.Repeat("on it? ", 5000), "\xff\xfe on it", strings.Repeat("roll ", 5000) + "back", "```", "\x00", strings.Repeat("é", maxRead)} {
		p.read(text)
	}
}

func FuzzRead(f *testing.F) {
	p, err := compilePhrases(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, texts := range phraseCases {
		for _, text := range texts {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := p.read(text); got != p.read(text) {
			t.Errorf("%q is read as %q and then otherwise", text, got)
		}
	})
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		text, service string
		want          bool
	}{
		{"looking at payments", "payments", true},
		{"Payments is slow", "payments", true},
		{"payments", "payments", true},
		{"payments-worker is slow", "payments", false},
		{"payments_v2 is slow", "payments", false},
		{"the repayments job", "payments", false},
		{"repayments and payments", "payments", true},
		{"(payments)", "payments", true},
		{"payments/checkout", "checkout", true},
		{"payments2 is slow", "payments", false},
		{"anything", "", false},
		{"", "payments", false},
		{"search-api: slow", "search-api", true},
		{"PAYMENTS!", "Payments", true},
	} {
		if got := names(test.text, test.service); got != test.want {
			t.Errorf("%q names %q: %v, want %v", test.text, test.service, got, test.want)
		}
	}
}

func TestBot(t *testing.T) {
	for _, name := range []string{"", "  ", "dependabot[bot]", "dependabot", "deploybot", "slackbot", "github-actions[bot]", "ci", "CI", "jenkins", "argocd", "argocd-application-controller", "ci/deploy", "flux",
		"github", "gitlab-runner", "system:serviceaccount:ci:deployer", "Alertmanager", "pagerduty", "terraform", "release-pipeline", "cron", "hindcast", "unknown", "renovate", "Spinnaker"} {
		if !bot(name) {
			t.Errorf("%q is taken for a person", name)
		}
	}
	for _, name := range []string{"dana", "Dana Scully", "abbot.smith", "omar@example.com", "robotham", "cicero", "systems-lena", "mira", "李雷", "jens.kins"} {
		if bot(name) {
			t.Errorf("%q is taken for a machine", name)
		}
	}
}
