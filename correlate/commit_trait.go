package correlate

import (
	"regexp"
	"slices"
	"strings"
)

// trait is a sort of edit that is known to break things in a certain way. Its
// text completes "it …".
type trait string

const (
	traitDropsGuard     trait = "removes a check for a missing value"
	traitDropsCheck     trait = "removes a condition"
	traitDropsLock      trait = "removes a lock"
	traitAddsLock       trait = "takes a lock that was not taken before"
	traitConcurrent     trait = "makes more run at the same time"
	traitDropsBatch     trait = "removes batching"
	traitCallsInLoop    trait = "makes a call for every item of a loop"
	traitDropsCall      trait = "removes a call that set something up"
	traitVerbose        trait = "makes it log more"
	traitRenames        trait = "renames a field"
	traitQueries        trait = "changes what is asked of the database"
	traitMigrates       trait = "migrates the schema"
	traitCompares       trait = "changes a comparison"
	traitExpiry         trait = "changes how expiry is judged"
	traitAuth           trait = "changes authentication or permissions"
	traitCertificate    trait = "changes certificates or how they are verified"
	traitSecret         trait = "changes a credential"
	traitSmallerPool    trait = "makes a pool or limit much smaller"
	traitBiggerPool     trait = "makes a pool, batch or buffer much bigger"
	traitShorterWait    trait = "makes a time-out much shorter"
	traitLongerWait     trait = "makes a time-out much longer"
	traitMoreRetries    trait = "makes it retry much more"
	traitShorterTTL     trait = "makes what is cached expire much sooner"
	traitLongerKeep     trait = "keeps data much longer"
	traitDropsCache     trait = "removes a cache"
	traitDropsRelease   trait = "no longer releases what it takes"
	traitDropsBound     trait = "removes what kept something bounded"
	traitGrows          trait = "keeps more and more in memory"
	traitPattern        trait = "changes a regular expression"
	traitAddress        trait = "changes an address"
	traitResources      trait = "changes the resources that it gets"
	traitSerializes     trait = "changes how data is encoded"
	traitRoutes         trait = "changes routes"
	traitArithmetic     trait = "changes a calculation"
	traitConfiguration  trait = "changes configuration"
	traitPatchBump      trait = "raises a dependency by a patch version"
	traitDependency     trait = "changes a dependency"
	traitHarmlessFiles  trait = "changes only documentation, tests or tooling"
	traitCosmetic       trait = "changes only looks or wording"
	traitOnlyMoves      trait = "only moves code"
	traitOnlyTells      trait = "changes only what is answered or logged"
	traitOnlyWhitespace trait = "changes only formatting"
)

// bigFactor is how much a number must change to be more than tuning: raising a
// cache by a fifth or a time-out from 3 to 5 seconds breaks nothing.
const bigFactor = 2.0

var (
	guardRE     = regexp.MustCompile(`(?i)(?:==|!=|\bis(?:\s+not)?|===|!==)\s*(?:nil|null|none|undefined|nullptr)\b|\?\.|\?\?|\bunwrap_or|\bis_?(?:none|null|empty|present|nil)\b|\.has\w*\(|\bnot\s+\w+\s+in\b|\blen\([^)]*\)\s*(?:==|>|<|!=)|\.(?:length|size\(\)|count)\s*(?:===?|>|<|!==?)|\bhasattr\(|\bOptional\.|\.getOrDefault\(|\bok\s*:?=|; ok\b|\btry\b|\bcatch\b|\bexcept\b|\brecover\(`)
	conditionRE = regexp.MustCompile(`^(?:\}\s*)?(?:else\s+)?(?:if|unless|guard|when|assert|require)\b`)
	lockRE      = regexp.MustCompile(`(?i)\b(?:sync\.)?(?:rw)?mutex\b|\.r?(?:un)?lock\(|\bsynchronized\b|\batomic\b|\breentrantlock\b|\bwith\s+\S*lock\b|\bfor update\b|\bsemaphore\b|\bsync\.(?:Map|Once)\b`)
	parallelRE  = regexp.MustCompile(`\bgo\s+(?:func|\w+\()|Promise\.all|\bgather\(|\berrgroup\b|\bexecutor\b|\bspawn\(|\bThread(?:PoolExecutor)?\(|\bparallel`)
	batchRE     = regexp.MustCompile(`(?i)batch|bulk|chunk|executemany|\bpipeline\b|debounce|coalesce|throttle`)
	loopRE      = regexp.MustCompile(`^(?:\}\s*)?(?:for|while|foreach)\b|\.(?:forEach|map|each)\s*(?:\(|\{|do\b)`)
	remoteRE    = regexp.MustCompile(`(?i)\.(?:get|fetch|find|load|query|select|put|post|send|exec|execute|read|lookup|request|call|save|insert|update|publish|invoke|describe|list)\w*\(`)
	// remoteHintRE tells a call that leaves the process from one of a map or list.
	remoteHintRE = regexp.MustCompile(`(?i)\bctx\b|\bcontext\b|\bawait\b|db\b|client|repo|store|http|api\b|session|dao|rpc|conn\b|query|fetch|redis|sql|cursor|objects\.|gateway|table`)
	setUpRE      = regexp.MustCompile(`^(?:await\s+|defer\s+|go\s+|return\s+)?(?:[\w$]+(?:\.|::|->))*((?:(?i:register|init|setup|set_up|configure|bind|mount|subscribe|wire|connect|install|enable|populate|warm|seed|bootstrap|inject|provide|attach|migrate)\w*|(?i:add|use|load|open|create|apply|start|include|schedule|prepare)(?:[A-Z_]\w*))!?)\(.*\)[;,]?$`)
	queryRE      = regexp.MustCompile(`(?i)\bselect\b.+\bfrom\b|\binsert\s+into\b|\bupdate\s+\w+\s+set\b|\bdelete\s+from\b|\bjoin\b.+\bon\b|\bwhere\b.+[=<>]|\.(?:filter|where|order_by|column|findAll|findOne)\(|\bColumn\(|\b__tablename__\b`)
	migrateRE    = regexp.MustCompile(`(?i)\b(?:alter|create|drop|rename)\s+(?:table|index|column|unique|type|view)\b|\badd\s+(?:column|constraint)\b|\b(?:add|drop|remove|rename)_(?:column|index|table)\b`)
	compareRE    = regexp.MustCompile(`(?:[^=!<>\-]|^)(?:==|!=|<=|>=|<|>)(?:[^=<>\-]|$)|\.(?:before|after|equals?|isBefore|isAfter|compareTo|cmp)\(|\.(?:Before|After|Equal)\(`)
	expiryRE     = regexp.MustCompile(`(?i)expir|\bexp\b|leeway|clock.?skew|not_?(?:after|before)|max_?age|lifetime|valid(?:ity|_?until)|grace`)
	authRE       = regexp.MustCompile(`(?i)auth|jwt|\btoken|session|login|permission|\brole|\bscopes?\b|\baudience\b|\bissuer\b|hmac|signature|\bacl\b|\brbac\b|policy|csrf|cors`)
	certRE       = regexp.MustCompile(`(?i)certificat|\bcerts?\b|x509|\.(?:pem|crt|cer|p12|jks)\b|key_?store|trust_?store|\bca_?(?:file|bundle|cert|pool)|not_?after|insecure_?skip|verify_?(?:peer|ssl|mode|hostname)|ssl_?verify|RootCAs|ClientCAs`)
	certFileRE   = regexp.MustCompile(`(?i)\.(?:pem|crt|cer|p12|jks)$|/(?:certs?|certificates?|pki)/|cert-?manager`)
	secretRE     = regexp.MustCompile(`(?i)secret|credential|password|passwd|api_?key|access_?key|private_?key|dsn|client_?id`)
	poolKeyRE    = regexp.MustCompile(`(?i)pool|max|limit|capacity|quota|concurren|worker|replica|thread|connection|size|batch|buffer|queue|burst|rate|rps|qps|heap|memory|mem$|slots|prefetch|entries|idle`)
	waitKeyRE    = regexp.MustCompile(`(?i)time_?out|deadline|wait|budget`)
	retryKeyRE   = regexp.MustCompile(`(?i)retr(?:y|ies)|attempt`)
	delayKeyRE   = regexp.MustCompile(`(?i)backoff|delay|interval|period|jitter`)
	ttlKeyRE     = regexp.MustCompile(`(?i)ttl|max_?age|cache.*(?:expir|time|age)|expir`)
	keepKeyRE    = regexp.MustCompile(`(?i)retention|keep|rotate|max_?(?:age|backups|files|history)`)
	sampleKeyRE  = regexp.MustCompile(`(?i)sampl`)
	levelRE      = regexp.MustCompile(`(?i)^(?:debug|trace|verbose|all|silly|finest|fine)$`)
	cacheRE      = regexp.MustCompile(`(?i)cache|memoi[sz]e|\blru\b|\bredis\b`)
	releaseRE    = regexp.MustCompile(`(?i)\.?(?:close|release|dispose|free|unsubscribe|cancel|stop|shutdown|destroy|disconnect|return_?connection|put_?conn\w*|removeListener|clear(?:Interval|Timeout))\s*\(|^finally\b|^with\s+open|^using\b`)
	boundRE      = regexp.MustCompile(`(?i)evict|expire|prune|trim|truncate|\bttl\b|max_?(?:size|entries|len|items|bytes|age)|\blimit\b|\blru\b|maxlen|\bdelete\(|\.clear\(|\bcap\b|rotate|limitreader|paginate|page_?size`)
	growRE       = regexp.MustCompile(`(?i)\bappend\(|\.push\(|\.add\(|\.put\(|\[[^\]]+\]\s*=[^=]|\bmake\(map|new\s+(?:hash)?map|readall|read\(\)|toarray|collect\(`)
	patternRE    = regexp.MustCompile(`(?i)regexp?[.:(]|re\.(?:compile|match|search|sub)\(|\bRegExp\(|Pattern\.compile|preg_\w+\(|\(\.\*|\.\*\.\*|[+*]\)[+*]`)
	addressRE    = regexp.MustCompile(`(?i)https?://|\b(?:host|hostname|endpoint|base_?ur[li]|address|addr|domain|dns|nameserver|bootstrap_?servers|broker|region|bucket|port)\b["']?\s*[:=]|\b(?:host|endpoint|base_?ur[li]|address|dns|region)s?_?\w*\s*(?:=|:)|\b[\w-]+(?:\.[\w-]+)*\.(?:svc|local|internal|com|net|io)\b|:\d{4,5}\b`)
	resourceRE   = regexp.MustCompile(`(?i)\b(?:cpu|memory|requests|limits|(?:min|max)?_?replicas|affinity|node_?selector|tolerations|gomaxprocs|gomemlimit|xmx|heap|max_?old_?space|ulimit|instance_?type)\b["']?\s*[:=]|-Xmx`)
	encodeRE     = regexp.MustCompile(`(?i)json|marshal|seriali[sz]e|protobuf|\bproto\b|avro|codec|encod|decod|schema|msgpack|thrift|\bstrict\b`)
	routeRE      = regexp.MustCompile(`(?i)\broutes?\b|router|handlefunc|\.handle\(|@(?:get|post|put|delete|request)mapping|@app\.|\bingress\b|\blocation\b|rewrite|\bpath:\s|middleware`)
	arithRE      = regexp.MustCompile(`\w\s*[*/%]\s*\w|\w\s[+\-]\s\w|round|ceil|floor|parse(?:int|float)`)

	harmlessFileRE = regexp.MustCompile(`(?i)\.(?:md|rst|adoc|txt)$|(?:^|/)(?:docs?|documentation|runbooks?|testdata|fixtures|__tests__|tests?|spec|e2e)/|_test\.\w+$|\.(?:test|spec)\.\w+$|(?:^|/)test_\w+\.py$|_fuzz|(?:^|/)\.(?:github|circleci|gitlab|vscode|husky|buildkite)|(?:^|/)(?:codeowners|license|notice|changelog|contributing|jenkinsfile|\.gitlab-ci\.yml|\.gitignore|\.editorconfig)|\.(?:golangci|eslintrc|prettierrc|pre-commit)[\w.-]*$`)
	promptTextRE   = regexp.MustCompile(`(?i)(?:^|/)prompts?/`)
	cosmeticFileRE = regexp.MustCompile(`(?i)\.(?:css|scss|sass|less|svg|png|jpe?g|gif|ico|woff2?|ttf|po|pot|strings)$|(?:^|/)(?:theme|palette|colors?|icons?|styles?|locales?|i18n)[\w.-]*(?:\.\w+|/)`)
	markupRE       = regexp.MustCompile(`(?i)^</?\w+[^>]*(?:class(?:name)?|style)=|^<(?:div|span|p|h\d|button|img|svg|label)\b`)
	formatRE       = regexp.MustCompile(`(?i)\b(?:gofmt|goimports|prettier|black|clang-format|formatting|whitespace)\b|\btidy imports?\b|\bimport order`)
	configFileRE   = regexp.MustCompile(`(?i)\.(?:ya?ml|toml|ini|env|conf|cfg|properties|hcl|tf|tfvars|json)$|(?:^|/)(?:config|values|settings)[\w.-]*$`)
	schemaFileRE   = regexp.MustCompile(`(?i)(?:^|/)(?:migrations?|migrate|alembic|flyway|liquibase)/|\.sql$`)
	dependencyRE   = regexp.MustCompile(`(?i)(?:^|/)(?:go\.(?:mod|sum)|package(?:-lock)?\.json|yarn\.lock|pnpm-lock\.yaml|requirements[\w.-]*\.txt|poetry\.lock|pyproject\.toml|pom\.xml|build\.gradle(?:\.kts)?|cargo\.(?:toml|lock)|gemfile(?:\.lock)?|composer\.(?:json|lock)|mix\.exs)$`)
	versionRE      = regexp.MustCompile(`v?(\d+)\.(\d+)(?:\.(\d+))?`)
	identPairRE    = regexp.MustCompile(`[A-Za-z_][\w.\-]*`)
)

// traitsOf finds what sort of edit a commit is.
func traitsOf(message string, files []string, d *commitDiff) []trait {
	var found []trait
	add := func(t trait, is bool) {
		if is && !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	for _, t := range harmlessTraits(message, files, d) {
		add(t, true)
	}
	if isBump(files) {
		return found // lists of dependencies are no code
	}
	fewer := func(re *regexp.Regexp) bool { return countMatching(d.removed, re) > countMatching(d.added, re) }
	more := func(re *regexp.Regexp) bool { return countMatching(d.added, re) > countMatching(d.removed, re) }
	either := func(re *regexp.Regexp) bool { return countMatching(d.added, re)+countMatching(d.removed, re) > 0 }

	add(traitDropsGuard, countGuards(d.removed, guardRE) > countGuards(d.added, guardRE))
	add(traitDropsCheck, countGuards(d.removed, conditionRE) > countGuards(d.added, conditionRE))
	add(traitDropsLock, fewer(lockRE))
	add(traitAddsLock, more(lockRE))
	add(traitConcurrent, more(parallelRE))
	add(traitDropsBatch, fewer(batchRE))
	add(traitCallsInLoop, callsInLoop(d))
	add(traitDropsCall, dropsCall(d))
	add(traitRenames, renames(d))
	add(traitQueries, either(queryRE))
	add(traitMigrates, either(migrateRE) || slices.ContainsFunc(files, schemaFileRE.MatchString))
	add(traitCompares, comparesOtherwise(d))
	add(traitExpiry, either(expiryRE))
	add(traitAuth, either(authRE))
	add(traitCertificate, either(certRE) || slices.ContainsFunc(files, certFileRE.MatchString))
	add(traitSecret, either(secretRE))
	add(traitDropsCache, fewer(cacheRE))
	add(traitDropsRelease, fewer(releaseRE))
	add(traitDropsBound, fewer(boundRE))
	add(traitGrows, more(growRE) && more(cacheRE))
	add(traitPattern, either(patternRE))
	add(traitAddress, either(addressRE))
	add(traitResources, either(resourceRE))
	add(traitSerializes, either(encodeRE))
	add(traitRoutes, either(routeRE))
	add(traitArithmetic, either(arithRE))
	add(traitConfiguration, slices.ContainsFunc(files, configFileRE.MatchString) && len(d.removed)+len(d.added) > 0)
	for _, s := range append(d.settings(), settingsTold(message)...) {
		for _, t := range settingTraits(s) {
			add(t, true)
		}
	}
	return found
}

// settingTraits says what another value of a setting means.
func settingTraits(s setting) []trait {
	var found []trait
	if levelRE.MatchString(s.new) && !levelRE.MatchString(s.old) {
		found = append(found, traitVerbose)
	}
	if certRE.MatchString(s.key) {
		found = append(found, traitCertificate)
	}
	grew, shrank := s.factor >= bigFactor, s.factor > 0 && s.factor <= 1/bigFactor
	shrank = shrank || s.factor == 0 && s.new == "0" && s.old != "0"
	on := func(re *regexp.Regexp, bigger, smaller trait) bool {
		if !re.MatchString(s.key) {
			return false
		}
		if grew && bigger != "" {
			found = append(found, bigger)
		}
		if shrank && smaller != "" {
			found = append(found, smaller)
		}
		return true
	}
	// The first kind of key that fits decides: a pool's time-out is a time-out.
	_ = on(sampleKeyRE, traitVerbose, "") ||
		on(retryKeyRE, traitMoreRetries, "") ||
		on(waitKeyRE, traitLongerWait, traitShorterWait) ||
		on(delayKeyRE, "", traitMoreRetries) ||
		on(ttlKeyRE, traitLongerKeep, traitShorterTTL) ||
		on(keepKeyRE, traitLongerKeep, "") ||
		on(poolKeyRE, traitBiggerPool, traitSmallerPool)
	return found
}

// harmlessTraits finds why a commit can hardly break anything.
func harmlessTraits(message string, files []string, d *commitDiff) []trait {
	all := func(re *regexp.Regexp) bool { return allMatch(files, re) }
	acting := len(d.removed) + len(d.added)
	var found []trait
	switch {
	case isBump(files):
		found = append(found, bumpTrait(d))
	case all(harmlessFileRE):
		found = append(found, traitHarmlessFiles)
	case cosmetic(files, d) || all(promptTextRE):
		found = append(found, traitCosmetic)
	case d.lines == 0 && formatRE.MatchString(message):
		found = append(found, traitOnlyWhitespace)
	case d.lines > 0 && acting == 0 && len(d.told) > 0:
		found = append(found, traitOnlyTells)
	case d.lines > 0 && acting == 0:
		found = append(found, traitOnlyWhitespace)
	case d.lines > 0 && d.onlyMoves():
		found = append(found, traitOnlyMoves)
	}
	return found
}

func allMatch(files []string, re *regexp.Regexp) bool {
	return len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return !re.MatchString(f) })
}

// isBump reports whether a commit edits nothing but lists of dependencies.
func isBump(files []string) bool { return allMatch(files, dependencyRE) }

// cosmetic reports whether all that differs is style sheets and markup.
func cosmetic(files []string, d *commitDiff) bool {
	if len(files) == 0 {
		return false
	}
	templates := false
	for _, f := range files {
		if !cosmeticFileRE.MatchString(f) {
			if !strings.HasSuffix(f, ".html") && !strings.HasSuffix(f, ".tsx") && !strings.HasSuffix(f, ".jsx") && !strings.HasSuffix(f, ".vue") {
				return false
			}
			templates = true
		}
	}
	if !templates {
		return true
	}
	for _, l := range slices.Concat(d.removed, d.added) {
		if !markupRE.MatchString(l) && !strings.Contains(l, "{") || strings.Contains(l, "=>") || strings.Contains(l, "(") {
			return false
		}
	}
	return d.lines > 0
}

// bumpTrait tells a patch release of dependencies from anything more.
func bumpTrait(d *commitDiff) trait {
	for _, s := range bumps(d) {
		was, now := versionRE.FindStringSubmatch(s.old), versionRE.FindStringSubmatch(s.new)
		if was == nil || now == nil || was[1] != now[1] || was[2] != now[2] {
			return traitDependency
		}
	}
	return traitPatchBump
}

// bumpLineRE reads one line of a list of dependencies: a name and a version.
var bumpLineRE = regexp.MustCompile(`^(?:require\s+)?["']?([@A-Za-z][\w@./\-]*)["']?\s*(?::|=|==|>=|~=|\s)\s*["']?[\^~>=]*(v?\d[\w.+\-]*)`)

// bumps are the dependencies whose version a diff changes.
func bumps(d *commitDiff) []setting {
	old := map[string]string{}
	for _, l := range d.removed {
		if m := bumpLineRE.FindStringSubmatch(l); m != nil {
			old[m[1]] = m[2]
		}
	}
	var found []setting
	for _, l := range d.added {
		if m := bumpLineRE.FindStringSubmatch(l); m != nil && old[m[1]] != m[2] {
			found = append(found, setting{key: m[1], old: old[m[1]], new: m[2]})
		}
	}
	return found
}

func countMatching(lines []string, re *regexp.Regexp) int {
	n := 0
	for _, l := range lines {
		n += len(re.FindAllStringIndex(l, -1))
	}
	return n
}

// countGuards counts the lines that match and are not about an error that a
// call returned: how errors are passed on is a matter of style.
func countGuards(lines []string, re *regexp.Regexp) int {
	n := 0
	for _, l := range lines {
		if re.MatchString(l) && !passesErrorRE.MatchString(l) {
			n++
		}
	}
	return n
}

var passesErrorRE = regexp.MustCompile(`\b(?:err|error|e|ex)\b\s*(?:!=|==|!==|:?=)|\bcatch\b|\bexcept\b`)

// callsInLoop finds a new call of something remote inside a loop: among the few
// lines that follow the loop's head. What was called in the diff before, in
// however many places, is not new.
func callsInLoop(d *commitDiff) bool {
	const body = 8
	before := map[string]bool{}
	for _, l := range d.removed {
		for _, call := range remoteRE.FindAllString(l, -1) {
			before[call] = true
		}
	}
	acting := map[string]bool{}
	for _, l := range d.added {
		acting[l] = true
	}
	for i, head := range d.order {
		if !loopRE.MatchString(head.text) {
			continue
		}
		for _, l := range d.order[i:min(i+body, len(d.order))] {
			call := remoteRE.FindString(l.text)
			if l.added && acting[l.text] && call != "" && !before[call] && remoteHintRE.MatchString(l.text) {
				return true
			}
		}
	}
	return false
}

// dropsCall finds a statement that set something up and is called no more.
func dropsCall(d *commitDiff) bool {
	var still strings.Builder
	for _, l := range slices.Concat(d.added, d.moved) {
		still.WriteString(l)
		still.WriteByte('\n')
	}
	for _, l := range d.removed {
		if m := setUpRE.FindStringSubmatch(l); m != nil && !strings.Contains(still.String(), m[1]+"(") {
			return true
		}
	}
	return false
}

// renames finds two lines that differ in a name only.
func renames(d *commitDiff) bool {
	for _, r := range d.removed {
		was := identPairRE.FindAllString(r, -1)
		for _, a := range d.added {
			now := identPairRE.FindAllString(a, -1)
			if len(was) >= 2 && len(was) == len(now) && differIn(was, now, 2) && squeezeNames(r) == squeezeNames(a) {
				return true
			}
		}
	}
	return false
}

// differIn reports whether two lists differ, in at most n places, and in names
// of more than two letters.
func differIn(a, b []string, n int) bool {
	different := 0
	for i := range a {
		if a[i] != b[i] {
			if len(a[i]) <= 2 || len(b[i]) <= 2 {
				return false
			}
			different++
		}
	}
	return different > 0 && different <= n
}

func squeezeNames(line string) string {
	return strings.ReplaceAll(identPairRE.ReplaceAllString(line, "n"), " ", "")
}

// comparesOtherwise finds a comparison that is there on one side only.
func comparesOtherwise(d *commitDiff) bool {
	return countMatching(d.removed, compareRE) > 0 && countMatching(d.added, compareRE) > 0
}
