package correlate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// meaning is what a message says that it does.
type meaning string

// The meanings. A message may have none, and it has at most one: the first
// rule that fits counts.
const (
	meansNothing      meaning = ""
	meansAcknowledges meaning = "acknowledges"
	meansRemedies     meaning = "remedies"
	meansFailed       meaning = "remedy_failed"
	meansResolves     meaning = "resolves"
	meansReports      meaning = "reports"
)

// reading is a message as it was understood.
type reading struct {
	*event.Event
	means meaning
	// why says how it belongs to its incident.
	why string
}

// phraseRule is one rule for reading messages.
type phraseRule struct {
	means meaning
	re    *regexp.Regexp
}

// defaultPhrases are the rules, in order; the first that fits a message
// counts. They read short messages of people at work and are meant to be
// strict: a missed claim costs a milestone some confidence, a claim that
// nobody made names the wrong person. Questions and negations are sorted out
// before.
var defaultPhrases = []struct {
	means   meaning
	pattern string
}{
	{meansFailed, `\b(roll(ing)?[- ]?back|revert|fix|restart|fail[- ]?over|deploy|redeploy|hotfix|mitigation|migration|scale[- ]?up)\b.{0,40}\b(failed|fails|didn'?t (work|help)|did not (work|help)|no effect|doesn'?t help|is stuck|stuck|aborted)\b`},
	{meansResolves, `\b((all|everything)('s| is| looks)?[ -](clear|green|good|back to normal|healthy|fine)|back to normal|(is|are|it'?s|we'?re|now) (resolved|recovered|restored|healthy again|mitigated)|incident (is )?(over|closed|resolved)|recovered|service (is )?restored|errors? (have |has |are |is )?(stopped|gone|cleared|back to baseline)|all good (now|again))\b`},
	{meansRemedies, `\b(rolling|roll|rolled)[ -]?back\b|\brollback (started|of|to|in progress|done|is out)|\b(reverting|reverted)\b|\b(failing|failed|fail)[ -]over (to|the|from)\b|\b(restarting|restarted|rebooting|rebooted|bouncing|bounced)\b|\b(scaling|scaled)[ -](up|out)\b|\b(disabling|disabled|turning off|turned off|switching off|switched off|flipping|flipped) (the )?\S+|\b(pushing|pushed|deploying|deployed|shipping|shipped|rolling out|rolled out) (a |the )?(hot)?fix\b|\bhot-?fix\b|\b(draining|drained|evicting|evicted|cordoning|cordoned|rotating|rotated|renewing|renewed|purging|purged|flushing|flushed|throttling|throttled|blocking|blocked|unblocked|freeing|freed|cleaning up|cleaned up)\b .{2,}|\b(increasing|increased|raising|raised|bumping|bumped)\b.{0,30}\b(limits?|pools?|memory|heap|replicas?|quotas?|capacity|timeouts?|disks?|volumes?|connections?|nodes?)\b`},
	{meansAcknowledges, `^\W*(ack|acked|ack'?d|acknowledged?|on it|mine|taking (it|this|over)|(i )?got (it|this)|looking|investigating|checking)\b`},
	{meansAcknowledges, `\b(i'?m|i am|i'?ll|i will|i|we'?re|we are|let me|will|am|having|taking|take|have) (be )?(now )?(on (it|this|call for)|(a |the )?(look|looking|investigat\w*|check\w*|dig\w*|triag\w*|debug\w*|handl\w+|tak\w+|own\w*|pick\w*)\b)`},
	{meansAcknowledges, `\b(on it|i'?ve got (it|this)|i have (it|this)|got this one|taking (a look|this one|it|this|the page|the incident|over)|picking (it|this) up|looking (at|into)|diving in(to)?|digging in(to)?|checking (the )?\w+|investigating|triaging|paged in|joining|i('ll| will) (take|own|handle|drive) (it|this|the)|incident commander|\bIC here)\b`},
	{meansReports, `\b(customers?|users?|clients?|support|someone|people|merchants?|partners?) (are |is |has |have |can'?t|cannot|report\w*|see\w*|complain\w*|getting|unable)|\b(seeing|getting|there are|lots of|many|spike (of|in)|elevated|rising) .{0,30}\b(errors?|5\d\d'?s?|failures?|timeouts?|latency)\b|\b(is|are|seems?|looks?|appears?) (to be )?(down|broken|failing|slow|unavailable|unreachable|degraded|erroring|not working)\b`},
}

// What is no claim whatever words it has: a question to others, a negation, a
// wish.
var noClaim = regexp.MustCompile(`(?i)\b(is|are|was|can|could|would|will|should|has|have|did|does|do) (any|some)(one|body)\b|\b(who|anyone|anybody|someone|somebody)('?s| is| are| can| could| should| has| on| looking| taking)\b|\bplease (look|check|take|ack|investigate)|\b(can|could|would) (you|u|we|they)\b|\b(not|n't|nobody|no one|never|stop(ped)?) (yet )?(looking|checking|investigating|rolling|on it|acked|acknowledged|restart\w*)|\bshould (i|we|you)\b|\b(you|they|he|she) (should|could|might)\b`)

// question tells a message that asks.
var question = regexp.MustCompile(`\?\s*$`)

// phrases are a site's rules before the default ones.
type phrases []phraseRule

// compilePhrases checks and compiles the rules. A site's rules come first.
func compilePhrases(own []Phrase) (phrases, error) {
	var out phrases
	for i, p := range own {
		means := meaning(p.Means)
		if !slices.Contains([]meaning{meansAcknowledges, meansRemedies, meansFailed, meansResolves, meansReports}, means) {
			return nil, fmt.Errorf("phrases[%d].means: %q is none of acknowledges, remedies, remedy_failed, resolves, reports", i, p.Means)
		}
		re, err := regexp.Compile("(?i)" + p.Pattern)
		if err != nil {
			return nil, fmt.Errorf("phrases[%d].pattern: %w", i, err)
		}
		out = append(out, phraseRule{means, re})
	}
	for _, p := range defaultPhrases {
		out = append(out, phraseRule{p.means, regexp.MustCompile("(?i)" + p.pattern)})
	}
	return out, nil
}

// maxRead bounds what is read of a message, in bytes.
const maxRead = 2000

// read finds what a message means.
func (p phrases) read(text string) meaning {
	text = strings.TrimSpace(text)
	if len(text) > maxRead {
		text = text[:maxRead]
	}
	text = strings.NewReplacer("’", "'", "`", "", "*", "").Replace(text)
	for _, rule := range p {
		if !rule.re.MatchString(text) {
			continue
		}
		// A report may be a question ("is checkout down?"); a claim may not.
		if rule.means != meansReports && (noClaim.MatchString(text) || question.MatchString(text)) {
			continue
		}
		return rule.means
	}
	return meansNothing
}

// names reports whether a text names a service as a word of its own.
func names(text, service string) bool {
	if service == "" {
		return false
	}
	low, want := strings.ToLower(text), strings.ToLower(service)
	for i := 0; ; {
		j := strings.Index(low[i:], want)
		if j < 0 {
			return false
		}
		start, end := i+j, i+j+len(want)
		if (start == 0 || !nameByte(low[start-1])) && (end == len(low) || !nameByte(low[end])) {
			return true
		}
		i = start + 1
	}
}

func nameByte(b byte) bool {
	return b == '-' || b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z'
}

// bot reports whether a name is a machine's. Machines act, but take no part.
func bot(name string) bool {
	low := strings.ToLower(strings.TrimSpace(name))
	if low == "" || strings.HasSuffix(low, "bot") || strings.HasSuffix(low, "[bot]") {
		return true
	}
	for _, word := range strings.FieldsFunc(low, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		switch word {
		case "bot", "ci", "cd", "cicd", "jenkins", "argocd", "argo", "flux", "fluxcd", "spinnaker", "automation", "system", "serviceaccount", "renovate", "dependabot", "github", "gitlab", "pipeline", "deployer", "autoscaler", "cron", "scheduler", "alertmanager", "prometheus", "grafana", "pagerduty", "hindcast", "terraform", "ansible", "robot", "unknown":
			return true
		}
	}
	return false
}
