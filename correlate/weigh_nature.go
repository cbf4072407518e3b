package correlate

import "regexp"

// nature is a sort of failure, told by what errors say, with the edits that
// bring it about. Those in causes explain it by themselves; those
// in helps can, but are as often innocent.
type nature struct {
	name   string
	says   *regexp.Regexp
	causes []trait
	helps  []trait
	// slow says that something has to fill up or run out first: hours may lie
	// between the change and the errors.
	slow bool
}

// natures are general knowledge of how programs fail. A text may be of several.
var natures = []nature{
	{"a missing value is used",
		regexp.MustCompile(`(?i)nil (?:pointer|map)|null ?(?:pointer|reference)|nonetype|undefined is not|cannot read propert|of (?:undefined|null)\b|segmentation|sigsegv|invalid memory address|null value|attributeerror|index out of (?:range|bounds)|keyerror|unwrap\(\) on|nosuchelement`),
		[]trait{traitDropsGuard}, []trait{traitDropsCheck, traitDropsCall, traitRenames}, false},
	{"things race",
		regexp.MustCompile(`(?i)concurrent map|data race|race (?:condition|detected)|concurrentmodification|double free|use after free|corrupt(?:ed|ion)|duplicate (?:charge|order|entry|key)|lost update`),
		[]trait{traitDropsLock, traitConcurrent}, nil, false},
	{"locks block",
		regexp.MustCompile(`(?i)dead ?lock|lock (?:wait|timeout|timed out|contention|not available)|waiting for .{0,30}lock|could not obtain lock|blocked by|lock_timeout|statement timeout`),
		[]trait{traitAddsLock, traitMigrates}, []trait{traitQueries, traitConcurrent, traitDropsRelease}, false},
	{"the schema does not fit",
		regexp.MustCompile(`(?i)(?:relation|table|column|view|index|collection)\b.{0,80}(?:does not exist|doesn'?t exist|not found|missing|unknown)|unknown column|no such (?:table|column)|undefined (?:table|column)|schema mismatch|invalid column|unknown field .{0,30}in .{0,10}(?:field list|where)`),
		[]trait{traitMigrates}, []trait{traitQueries, traitRenames, traitDropsCall}, false},
	{"data cannot be read",
		regexp.MustCompile(`(?i)deseriali[sz]|unmarshal|missing (?:required )?(?:field|key|property)|unknown (?:field|property|enum)|unexpected token|invalid json|parse error|cannot (?:parse|decode)|failed to (?:parse|decode)|malformed|schema (?:validation|violation)|incompatible schema|type mismatch|wrong type`),
		[]trait{traitRenames}, []trait{traitSerializes, traitDropsCheck, traitPattern}, false},
	{"something was never set up",
		regexp.MustCompile(`(?i)not (?:registered|initiali[sz]ed|configured|found|loaded|started|mounted|bound|wired)|uninitiali[sz]ed|no (?:handler|provider|bean|route|such (?:service|agent|plugin|job|handler))|unregistered|unknown (?:handler|agent|plugin|job|command|type)`),
		[]trait{traitDropsCall}, []trait{traitRoutes, traitRenames}, false},
	{"requests are not let in",
		regexp.MustCompile(`(?i)\b40[13]\b|unauthori[sz]ed|forbidden|permission denied|access ?denied|invalid (?:token|signature|credential|audience|issuer|api ?key)|authentication (?:failed|error)|not authori[sz]ed|token (?:is )?(?:expired|rejected|invalid)|csrf|cors|signature (?:mismatch|does not match|verification)`),
		[]trait{traitExpiry, traitSecret}, []trait{traitAuth, traitCompares, traitAddress}, false},
	{"something expired",
		regexp.MustCompile(`(?i)\bexpir|not yet valid|clock skew`),
		[]trait{traitExpiry, traitCertificate}, []trait{traitCompares, traitShorterTTL}, false},
	{"trust fails",
		regexp.MustCompile(`(?i)certificate|x509|tls (?:handshake|alert)|unknown (?:ca|authority)|hostname mismatch|bad_certificate|ssl`),
		[]trait{traitCertificate}, []trait{traitAddress}, false},
	{"it is slow",
		regexp.MustCompile(`(?i)\bslow\b|latenc|time[d ]?-? ?out|deadline exceeded|p9[59]\b|too long|exceeded \d+ ?ms|budget exceeded|stall`),
		[]trait{traitCallsInLoop, traitDropsCache, traitShorterWait, traitShorterTTL, traitMigrates}, []trait{traitQueries, traitSmallerPool, traitDropsBatch, traitAddsLock, traitPattern, traitDropsBound, traitMoreRetries, traitLongerWait}, false},
	{"it computes too much",
		regexp.MustCompile(`(?i)\bcpu\b|event loop|backtrack|infinite (?:loop|recursion)|stack overflow|recursion|busy loop|spinning|hot loop`),
		[]trait{traitPattern, traitCallsInLoop}, []trait{traitDropsBound, traitDropsCheck, traitDropsCache}, false},
	{"memory runs out",
		regexp.MustCompile(`(?i)out of memory|\boom|heap|memory (?:limit|usage|leak|exhaust)|cannot allocate|gc (?:overhead|pause)|rss\b|allocation failed`),
		[]trait{traitDropsBound, traitDropsRelease, traitGrows, traitBiggerPool}, []trait{traitLongerKeep, traitResources, traitDropsCheck, traitConcurrent}, true},
	{"connections run out",
		regexp.MustCompile(`(?i)too many (?:connections|clients)|(?:connection )?pool (?:is )?(?:exhaust|timeout|full|empty|wait)|pool.{0,40}(?:exhaust|time[d ]?-? ?out|no (?:free|available|idle))|(?:acquir|obtain|wait).{0,40}connection|no (?:free|available|idle) connection|connection slots|connection limit|max(?:imum)? (?:pool|connections)`),
		[]trait{traitSmallerPool, traitDropsRelease, traitCallsInLoop, traitConcurrent}, []trait{traitBiggerPool, traitLongerWait, traitDropsBatch, traitQueries}, true},
	{"file handles run out",
		regexp.MustCompile(`(?i)too many open files|emfile|file descriptor`),
		[]trait{traitDropsRelease}, []trait{traitConcurrent, traitSmallerPool}, true},
	{"the disk fills",
		regexp.MustCompile(`(?i)no space left|disk (?:is )?(?:full|pressure|usage|space)|enospc|read-only file ?system|volume .{0,40}(?:full|above)|inode`),
		[]trait{traitVerbose, traitLongerKeep}, []trait{traitDropsBound, traitDropsRelease}, true},
	{"a quota is used up",
		regexp.MustCompile(`(?i)throttl|rate.?limit|too many requests|\b429\b|quota|throughput.?exceeded|capacity|resource.?exhausted|limit exceeded`),
		[]trait{traitDropsBatch, traitCallsInLoop, traitMoreRetries, traitDropsCache, traitSmallerPool}, []trait{traitConcurrent, traitShorterTTL, traitBiggerPool}, true},
	{"load piles up",
		regexp.MustCompile(`(?i)backlog|queue (?:depth|length|full|size|lag)|consumer lag|saturat|overload|stampede|thundering|cache miss|hit ratio|retry storm|load.?shed|circuit (?:breaker )?open|retries`),
		[]trait{traitDropsCache, traitShorterTTL, traitMoreRetries, traitSmallerPool, traitCallsInLoop, traitDropsBatch}, []trait{traitConcurrent, traitShorterWait, traitAddsLock}, true},
	{"an address is wrong",
		regexp.MustCompile(`(?i)no such host|nxdomain|enotfound|connection refused|unknown host|could not resolve|name resolution|no route to host|invalid (?:url|host|endpoint)|\b404\b|wrong (?:host|port|region)|nosuchbucket`),
		nil, []trait{traitAddress, traitRoutes, traitRenames}, false},
	{"configuration is wrong",
		regexp.MustCompile(`(?i)invalid (?:config|value|setting|option)|unknown (?:option|key|setting)|missing (?:env|environment|config|setting)|failed to (?:load|parse|read) config|environment variable|unrecognized (?:option|key)|config(?:uration)? (?:error|invalid|not found)`),
		nil, []trait{traitConfiguration, traitRenames, traitDropsCheck}, false},
	{"a result is wrong",
		regexp.MustCompile(`(?i)divi(?:de|sion) by zero|overflow|\bnan\b|mismatch|invariant|assertion|checksum|negative (?:amount|balance|value|total)|incorrect (?:total|amount)|reconcil`),
		nil, []trait{traitArithmetic, traitCompares, traitDropsCheck, traitRenames}, false},
}

// operational is a trouble that comes from outside of what is deployed. With it
// in the evidence a change is only to be blamed if it does what brings such
// trouble about.
type operational struct {
	// name completes "… explains the errors".
	name string
	says *regexp.Regexp
	// unless are the edits that can bring it about.
	unless []trait
	// excuse completes "no commit …".
	excuse string
}

// failing is what a line says of a call that did not succeed for reasons of
// the callee's.
const failing = `(?:service ?unavailable|internal ?(?:server )?error|bad gateway|gateway time-?out|\b50[0234]\b|time[d ]?-? ?out|unreachable|connection (?:reset|refused|timed out)|slow ?down|degraded|outage|unavailable|error rate|5xx)`

// outsider is what names somebody else's service.
const outsider = `(?:(?:\b(?:[a-z0-9-]+\.){2,}|https?://[\w.-]+\.)(?:com|net|io|org|cloud|dev|co|app|ai)(?:[:/\s"',;)]|$)|\bregion\b|availability.?zone|\baz-?[a-z0-9]\b|\b(?:us|eu|ap|sa|ca|me|af)-(?:north|south|east|west|central)[a-z]*-?\d|status ?page|\bcloud provider|third.?party|\bvendor\b|\bproviders?\b|partner api|\bpsp\b|\bcdn\b|\bsaas\b|carrier)`

var operationals = []operational{
	{"an expired certificate",
		regexp.MustCompile(`(?i)\b(?:certificates?|certs?|x509|ca|crl|ocsp)\b.{0,60}(?:expired|is after|has lapsed|validity)|expired.{0,20}cert|notafter.{0,60}expired|certificate.{0,20}expir`),
		[]trait{traitCertificate}, "touches certificates"},
	{"an expired credential or licence",
		regexp.MustCompile(`(?i)\b(?:licen[cs]e|secret|credentials?|api.?key|access.?key|password|passphrase|subscription|entitlement|domain|token|key|lease|ticket|keytab)\b.{0,60}(?:expired|expiry|lapsed|revoked)|expired (?:licen[cs]e|secret|credential|api.?key|token|key|password|subscription)`),
		[]trait{traitExpiry, traitShorterTTL}, "changes how expiry is judged"},
	{"a used-up quota or rate limit",
		regexp.MustCompile(`(?i)quota.{0,40}(?:exce|exhaust|reach|used|hit|limit)|(?:over|exceed\w*|out of|hit).{0,30}quota|rate.?limit|too many requests|\b429\b|throttl(?:ed|ing) (?:by|request|exception)|throttlingexception|throughput.?exceeded|resource.?exhausted|(?:request|usage|spend|plan|account) limit|limit exceeded|insufficient capacity|billing (?:account|disabled|limit)|payment required|insufficient (?:funds|credit)`),
		[]trait{traitDropsBatch, traitCallsInLoop, traitMoreRetries, traitDropsCache, traitShorterTTL, traitSmallerPool, traitConcurrent, traitBiggerPool}, "makes more calls than before"},
	{"pressure on the node",
		regexp.MustCompile(`(?i)node\b.{0,60}(?:pressure|not ?ready|contend|saturat|under (?:increasing )?(?:cpu|memory|load))|(?:memory|disk|pid|node)pressure|node ?not ?ready|noisy.?neighbou?r|co-?tenant|cpu.?(?:steal|conten)|\bsteal time|cfs.{0,10}(?:quota|throttl)|throttling container|\bevict\w* (?:\d+ )?(?:pod|container)|\bpods?\b.{0,40}\bevict|preempt(?:ed|ion|ible)|spot (?:instance|interruption|terminat)|hypervisor|live.?migrat|host (?:maintenance|degraded|fail|down|retire)|cordon|kernel (?:panic|bug)|hung.?task|machine.?check`),
		[]trait{traitResources}, "changes what runs on that node or what it may use"},
	{"an outage of a provider",
		regexp.MustCompile(`(?i)` + failing + `.{0,160}` + outsider + `|` + outsider + `.{0,160}` + failing),
		[]trait{traitAddress}, "changes whom it calls"},
	{"name resolution",
		regexp.MustCompile(`(?i)nxdomain|servfail|name or service not known|(?:temporary failure in )?name resolution|eai_again|\bdns\b|\bcoredns\b|could not resolve|no such host|enotfound`),
		[]trait{traitAddress}, "changes an address or how it is resolved"},
	{"more load than usual",
		regexp.MustCompile(`(?i)traffic (?:spike|surge|increase|burst|at|is|\d)|\bsurge|flash (?:sale|crowd)|(?:request|traffic|inbound|ingress|message).{0,40}(?:\d+ ?x|times) (?:normal|baseline|usual|the|above|higher|average)|\d+ ?x (?:normal|baseline|usual|average|expected)|load.?shed|ddos|bot ?(?:net|traffic)|crawler|scrap(?:er|ing)|campaign|credential stuffing|max(?:imum)? replicas|(?:hpa|autoscal).{0,60}(?:max|limit|cannot)|offered load`),
		[]trait{traitDropsCache, traitDropsBatch, traitCallsInLoop, traitResources, traitSmallerPool, traitMoreRetries, traitShorterTTL}, "makes it do more or with less"},
	{"failing hardware or network",
		regexp.MustCompile(`(?i)i/o error|input/output error|disk (?:fail|fault)|bad (?:sector|block)|\bsmart\b.{0,20}(?:fail|error)|\becc\b|\bnvme\b|\braid\b|link (?:down|flap)|packet loss|network (?:is )?(?:unreachable|partition)|no route to host|\bbgp\b|\bnic\b|fibre|fiber cut|switch (?:fail|reboot)|power (?:loss|fail)`),
		nil, "has to do with it"},
	{"a failover or maintenance of a data store",
		regexp.MustCompile(`(?i)fail(?:ing|ed)?.?over|\bprimary\b.{0,50}(?:down|unreachable|lost|changed|step|promot|unavailable)|no primary|not (?:primary|master|writable|leader)|read.?only (?:mode|transaction|replica)|replica(?:tion)? lag|leader(?:ship)? (?:lost|election|not available)|in recovery mode|database system is (?:starting|shutting)|broker .{0,30}(?:not available|down|unreachable)|\bquorum|split.?brain|maintenance|autovacuum|wraparound|snapshot in progress`),
		[]trait{traitAddress, traitMigrates}, "touches that data store"},
	{"a disk that filled up",
		regexp.MustCompile(`(?i)no space left|disk (?:is )?(?:full|pressure)|enospc|disk.?(?:usage|used|space)`),
		[]trait{traitVerbose, traitLongerKeep, traitDropsBound, traitDropsRelease, traitGrows}, "writes more or deletes less"},
	{"a clock that is off",
		regexp.MustCompile(`(?i)clock (?:skew|drift|jump|offset|step)|\bntp\b|chrony|time (?:is )?(?:ahead|behind)|in the future|not yet valid`),
		[]trait{traitExpiry, traitCompares, traitCertificate}, "changes how times are compared"},
	{"bad data from outside",
		regexp.MustCompile(`(?i)poison (?:pill|message)|(?:malformed|corrupt(?:ed)?|invalid) (?:payload|file|record|feed|upload|batch|message)s? (?:from|sent by|received from|uploaded by)|partner feed|upstream feed|customer upload`),
		[]trait{traitRenames, traitSerializes, traitDropsCheck, traitDropsGuard, traitPattern}, "changes how that data is read"},
	{"a job or query that somebody ran",
		regexp.MustCompile(`(?i)backfill|ad.?hoc (?:query|report)|manual(?:ly)? (?:run|triggered|started|executed)|runaway query|full table scan by|reindex(?:ing)? (?:job|started)`),
		[]trait{traitMigrates, traitQueries, traitCallsInLoop}, "starts such a job"},
}

// anyTrait finds the first trait of the list that a commit has.
func anyTrait(have []trait, list []trait) (trait, bool) {
	for _, want := range list {
		for _, t := range have {
			if t == want {
				return t, true
			}
		}
	}
	return "", false
}
