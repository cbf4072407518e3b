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
// nobody made names the wrong person. What asks, denies, wishes or speaks of
// others is sorted out by [claimed].
var defaultPhrases = []struct {
	means   meaning
	pattern string
}{
	{meansFailed, `\b(roll(ing)?[- ]?back|revert|fix|restart|fail[- ]?over|deploy|redeploy|hotfix|mitigation|migration|scale[- ]?up)\b.{0,40}\b(failed|fails|didn'?t (work|help)|did not (work|help)|(had |has )?no effect|doesn'?t help|is stuck|stuck|aborted)\b`},
	{meansResolves, `\b((all|everything)('s| is| looks)?( back to)?[ -](clear|green|good|normal|healthy|fine)|back to (normal|baseline)|(is|are|it'?s|we'?re|now) (resolved|recovered|restored|fixed|healthy again|mitigated)|(looks?|looking|is|are) (healthy|good|fine|normal) again|incident (is )?(over|closed|resolved)|recovered|service (is )?restored|errors? (have |has |are |is )?(stopped|gone|cleared))\b`},
	{meansResolves, `^\W*(resolved|fixed|mitigated)\W*$`},
	{meansRemedies, `\broll(ing|ed)?[ -](\S+ ){0,2}back\b|\brollback (has |is )?(started|of|to|under ?way|in progress|running|done|finished|complete[d]?|is out)\b|\b(let'?s|we|i|i'?ll|we'?ll) rollback\b|\b(reverting|reverted)\b`},
	{meansRemedies, `\b(failing|failed|fail)[ -]over (to|the|from)\b|\b(restarting|restarted|rebooting|rebooted|bouncing|bounced)\b|\b(scaling|scaled) (\S+ )?(up|out)\b`},
	{meansRemedies, `\b(disabling|disabled|turning off|turned off|switching off|switched off|flipping|flipped) (the )?\S+|\b(turning|turned|switching|switched) (\S+ ){1,4}off\b|\b(pushing|pushed|deploying|deployed|shipping|shipped|rolling out|rolled out) (a |the )?(hot)?fix\b|\bhot-?fix\b`},
	{meansRemedies, `\b(draining|drained|evicting|evicted|cordoning|cordoned|rotating|rotated|renewing|renewed|purging|purged|flushing|flushed|throttling|throttled|blocking|blocked|unblocked|freeing|freed|cleaning up|cleaned up)\b .{2,}|\b(killing|killed) .{0,30}\b(quer(y|ies)|jobs?|process(es)?|pods?|connections?|transactions?|sessions?|tasks?|workers?|consumers?)\b`},
	{meansRemedies, `\b(increasing|increased|raising|raised|bumping|bumped) .{0,30}\b(limits?|pools?|memory|heap|replicas?|quotas?|capacity|timeout|disks?|volumes?|connections|nodes?)\b`},
	{meansAcknowledges, `^(:\w+:|\W)*(ack|acked|ack'?d|acknowledged?|on it|mine\W*$|taking (it|this|over)|(i )?got (it|this)|looking|investigating|checking)\b`},
	{meansAcknowledges, `\b(i'?m|i am|i'?ll|i will|i can|we'?re|we are|we'?ll|let me|will) (be )?(now |just |already |currently |also )?(on (it|this|call for)\b|(have |having |take |taking )?a look\b|(look|check|dig|triag|debug)\w*\b|investigat\w*|handl(e|ing)\b|(tak(e|ing)|own(ing)?) (it|this|that|over|care|point|the (page|alert|incident|lead))\b|pick(ing)? (it |this |that )?up\b|driv(e|ing) (it|this|the incident)\b)`},
	{meansAcknowledges, `\b(on it|i'?ve got (it|this)|i have (it|this)\W*$|got this one|(taking|having|take|have) a look|taking (this one|it|this|the (page|alert|incident)|over)|picking (it|this) up|looking (at|into)|diving in(to)?|digging in(to)?|checking (the )?\w+|investigating|triaging|paged in|joining (the )?(call|bridge|incident|war ?room|huddle)|incident commander|IC here)\b`},
	{meansReports, `\b(customers?|users?|clients?|support|someone|people|merchants?|partners?) (are |is |has |have |can'?t|cannot|report\w*|see\w*|complain\w*|getting|unable)|\b(seeing|getting|there are|lots of|many|spikes? (of|in)|elevated|increased|higher?|rising|returning|throwing|serving) .{0,30}\b(errors?|5\d\d'?s?|exceptions?|failures?|timeouts?|latenc(y|ies))\b`},
	{meansReports, `\b(is|are|seems?|looks?|appears?) (to be )?(the )?(\S+ )?(down|broken|failing|slow|unavailable|unreachable|degraded|erroring|spiking|not (working|responding|loading)|through the roof)\b|\b(is|are|does|do)(n'?t| not) (work|load|respond)(ing)?\b`},
}

// What is no claim whatever words it has, told by the sentence that it is in:
// a question or a request to others, another time, and talk beside the matter.
var (
	asksOthers = regexp.MustCompile(`(?i)\b(is|are|was|can|could|would|will|should|has|have|did|does|do) (any|some)(one|body)\b|\b(who|anyone|anybody|someone|somebody)('?s| is| are| can| could| should| has| on| looking| taking)\b|\b(please|pls|kindly)\b|\b(can|could|would|will|did|do|are|have) (you|u|they)\b|\b(want|need|like) (me|us|you) to\b|\bshall (i|we)\b|^\W*(is|are|was|were|did|does|do|has|should|shall|could|would) `)
	besideIt   = regexp.MustCompile(`(?i)\byesterday\b|\blast (week|month|night|time|year|quarter|sprint)\b|\b(days?|weeks?|months?|years?) ago\b|\b(next|this) (week|month|sprint|quarter)\b|\btomorrow\b|\b(my|your|his|her) (own )?(laptop|pc|mac|machine|phone|browser|calendar|vpn|wifi|internet|inbox|e?mails?|ide|editor|branch|pr|code|ticket|lunch)\b|\b(lunch|coffee|weekend|vacation|holidays?|birthday|merge conflicts?)\b|\b(mon|tues|wednes|thurs|fri|satur|sun)day\b|\blooking (forward|good|great|fine|better|nice|ok|okay|healthy|for)\b|\bchecking (in|out (early|of|soon|now))\b|\bgot (it|this)\W+(thanks|thank you|thx|ty|cheers)\b|\bblocked (on|by)\b`)
)

// What takes a claim back, told by what comes before it in its sentence or its
// clause: a condition, a denial, a wish, a reservation, words about others.
var (
	conditional = regexp.MustCompile(`(?i)\b(if|unless|in case|whether|what about)\b`)
	denied      = regexp.MustCompile(`(?i)\b(not|never|cannot|nobody|neither|none|without|instead of|avoid(ing)?|no (need|reason|one|plan|longer|more|idea)|stop(s|ped|ping)?|(do|does|did|have|has|had|is|are|was|were|ca|wo|should|would|could)n'?t)\b`)
	wished      = regexp.MustCompile(`(?i)\b(should|shall|could|might|may|maybe|perhaps|would|once|until|when|whenever|before|consider(ing)?|thinking (of|about)|propos(e|ing)|suggest(s|ing)?|recommend(s|ing)?|waiting|you|(how|need|needs|have|has|had|want|wants|able|ready|supposed|says?|used|plan|planning|like|going) (for |me |us )?to)\b`)
	reserved    = regexp.MustCompile(`(?i)\b(almost|nearly|mostly|partially|partly|slowly|getting|going)\b`)
	ofOthers    = regexp.MustCompile(`(?i)\b(he|she|they|you|it|pods?|containers?|nodes?|instances?|autoscaler|kubernetes|k8s|keeps?|kept|being|been|seeing|getting|gets|got|there)(['’](s|re|ve))? (\S+ )?$|@\S+ (\S+ )?$|\b(is|are|was|were) (\w+ly |now |just |still )?$`)
	ofOurs      = regexp.MustCompile(`(?i)(^|\W)(i|we) (am|are|was|were|have|have been) (\w+ly |now |just |still )?$|(^|\W)(i|we)['’](m|re|ve|ve been) (\w+ly |now |just |still )?$`)
	passive     = regexp.MustCompile(`(?i)\b(is|was|were|been) (now |just )?(rolled|reverted)\b`)
	// ownClause is what may stand before a claim that does not say whose it is.
	ownClause = regexp.MustCompile(`(?i)^\W*((:\w+:|@\S+|ok|okay|k|yes|yep|yeah|sure|right|hi|hey|hello|hm+|sorry|all|team|folks|just|now|already|currently|still|also|quickly|started|starting|i|we|i'?ve|we'?ve|i'?m|we'?re|am|been|have|both|back|here|good|morning|afternoon|evening|update)\W*)*$`)
	ownWord   = regexp.MustCompile(`(?i)^\W*(i\b|i'|we\b|we'|im\b|ill\b|let me\b)`)
	notReport = regexp.MustCompile(`(?i)\b(no|zero|fewer|less|without) |\b(not|no longer|never) (down|broken|failing|slow|unavailable|unreachable|degraded|erroring)\b`)
)

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

// maxRead bounds what is read of a message, in bytes, maxTries how many
// places at which a rule fits are looked at.
const (
	maxRead  = 2000
	maxTries = 20
)

// read finds what a message means.
func (p phrases) read(text string) meaning {
	text = plain(text)
	for _, rule := range p {
		for _, where := range rule.re.FindAllStringIndex(text, maxTries) {
			if claimed(rule.means, text, where[0], where[1]) {
				return rule.means
			}
		}
	}
	return meansNothing
}

// quoted are lines that repeat what another wrote, and blocks of code.
var quoted = regexp.MustCompile("(?m)^\\s*(>|&gt;).*$|(?s:```.*?(```|\\z))")

// plain is the text of a message without its mark-up and what it quotes.
func plain(text string) string {
	if len(text) > maxRead {
		text = text[:maxRead]
	}
	text = quoted.ReplaceAllString(text, "")
	return strings.TrimSpace(strings.NewReplacer("’", "'", "`", "", "*", "").Replace(text))
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?;]+(\s|$)|\n`)
	clauseEnd   = regexp.MustCompile(`(?i)[,:()–—]|\b(but|and|so|then|because|since)\b`)
)

// claimed reports whether the words of a rule, which stand in text[from:to],
// are a claim of the author's, by the sentence that they are in.
func claimed(means meaning, text string, from, to int) bool {
	begin, end, asks := 0, len(text), false
	for _, stop := range sentenceEnd.FindAllStringIndex(text, -1) {
		if stop[1] <= from {
			begin = stop[1]
		} else if stop[0] >= to-1 {
			end, asks = stop[0], strings.Contains(text[stop[0]:stop[1]], "?")
			break
		}
	}
	end = max(end, to)
	sentence, before, words := text[begin:end], text[begin:from], text[from:to]
	clause := before
	if stops := clauseEnd.FindAllStringIndex(before, -1); len(stops) > 0 {
		clause = before[stops[len(stops)-1][1]:]
	}
	if besideIt.MatchString(sentence) {
		return false
	}
	if means == meansReports {
		// A report may be a question ("is checkout down?"); a claim may not.
		return !denied.MatchString(clause) && !notReport.MatchString(words)
	}
	if asks || strings.Contains(words, "?") || asksOthers.MatchString(sentence) || conditional.MatchString(before) || wished.MatchString(clause) {
		return false
	}
	switch means {
	case meansFailed:
		return true
	case meansResolves:
		return !denied.MatchString(clause) && !reserved.MatchString(clause)
	case meansRemedies:
		return !denied.MatchString(clause) && (!ofOthers.MatchString(clause) || ofOurs.MatchString(clause) || passive.MatchString(clause+words))
	}
	return !denied.MatchString(clause) && (ownWord.MatchString(words) || ownClause.MatchString(clause))
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
