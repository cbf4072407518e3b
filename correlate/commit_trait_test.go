package correlate

import (
	"slices"
	"strings"
	"testing"
)

func TestTraits(t *testing.T) {
	for _, test := range []struct {
		name, message, files, diff string
		want                       []trait
		not                        []trait
	}{
		{"a lock that goes", "", "a.go", "@@ Lim @@\n-\tl.mu.Lock()\n-\tdefer l.mu.Unlock()\n \tl.n[id]++", []trait{traitDropsLock}, []trait{traitOnlyMoves}},
		{"a check for nil that goes", "", "a.go", "-\tif r.Owner == nil {\n-\t\treturn\n-\t}\n \tuse(r.Owner.Name)", []trait{traitDropsGuard}, nil},
		{"another style of passing errors", "", "a.go", "-\tif err != nil { http.Error(w, err.Error(), 500); return }\n+\tif err != nil {\n+\t\twriteError(w, 500, err)\n+\t}", nil, []trait{traitDropsGuard, traitDropsCheck}},
		{"a query for every item", "", "a.py", "@@ def rows @@\n for o in orders:\n+    o.owner = session.query(User).get(o.user_id)", []trait{traitCallsInLoop}, nil},
		{"a map read in a loop", "", "a.js", "@@ x @@\n+for (const k of keys) {\n+  out.push(names.get(k));\n+}", nil, []trait{traitCallsInLoop}},
		{"batching that goes", "", "a.go", "-\tfor _, chunk := range chunks(items, 100) {\n-\t\tw.writeBulk(ctx, chunk)\n-\t}\n+\tfor _, it := range items {\n+\t\tw.db.Insert(ctx, it)\n+\t}", []trait{traitDropsBatch, traitCallsInLoop}, nil},
		{"debug logging", "", "conf/app.yaml", "-  level: warn\n+  level: debug", []trait{traitVerbose, traitConfiguration}, []trait{traitOnlyMoves}},
		{"a bit more time", "", "a.yaml", "-timeout: 3s\n+timeout: 5s", nil, []trait{traitLongerWait}},
		{"ten times the time", "", "a.go", "-\tcfg.Timeout = 300 * time.Millisecond\n+\tcfg.Timeout = 3 * time.Second", []trait{traitLongerWait}, nil},
		{"a pool in a message", "max_connections 100 -> 10", "", "", []trait{traitSmallerPool}, nil},
		{"a field with another name", "", "a.go", "-\tTotal int `json:\"total\"`\n+\tTotal int `json:\"total_cents\"`", []trait{traitRenames}, []trait{traitOnlyMoves}},
		{"a helper taken out", "", "a.go", "-\tb, err := os.ReadFile(path)\n-\treturn b, err\n+\treturn slurp(path)\n+}\n+\n+func slurp(path string) ([]byte, error) {\n+\tb, err := os.ReadFile(path)\n+\treturn b, err", []trait{traitOnlyMoves}, nil},
		{"a helper taken out, and a call lost on the way", "", "a.go", "-\tregisterCodecs(r)\n-\tserve(r)\n+\treturn run(r)\n+}\n+\n+func run(r *R) {\n+\tserve(r)", []trait{traitDropsCall}, []trait{traitOnlyMoves}},
		{"a helper that compares otherwise", "", "a.go", "-\tif age < limit {\n-\t\tkeep(x)\n-\t}\n+\tcheck(x, age)\n+}\n+func check(x X, age int) {\n+\tif age > limit {\n+\t\tkeep(x)\n+\t}", []trait{traitCompares}, []trait{traitOnlyMoves}},
		{"a local name", "", "a.go", "-\tc := r.Context()\n-\treturn get(c, id)\n+\tctx := r.Context()\n+\treturn get(ctx, id)", []trait{traitOnlyMoves}, nil},
		{"an answer's text", "", "a.go", "-\thttp.Error(w, \"no\", 401)\n+\thttp.Error(w, \"not allowed\", 401)", []trait{traitOnlyTells}, nil},
		{"tests", "", "pkg/a_test.go", "+func TestX(t *testing.T) {}", []trait{traitHarmlessFiles}, nil},
		{"a style sheet", "", "web/site.css", "-a {}\n+a { color: red }", []trait{traitCosmetic}, nil},
		{"a patch release", "", "go.mod go.sum", "-\tgithub.com/acme/x v1.2.3\n+\tgithub.com/acme/x v1.2.4", []trait{traitPatchBump}, []trait{traitRenames}},
		{"a minor release", "", "package.json", "-    \"left-pad\": \"^1.2.3\",\n+    \"left-pad\": \"^1.3.0\",", []trait{traitDependency}, []trait{traitPatchBump}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := parseDiff(test.diff)
			got := traitsOf(test.message, strings.Fields(test.files), &d)
			for _, w := range test.want {
				if !slices.Contains(got, w) {
					t.Errorf("traits %q lack %q", got, w)
				}
			}
			for _, n := range test.not {
				if slices.Contains(got, n) {
					t.Errorf("traits %q have %q", got, n)
				}
			}
		})
	}
}

func TestBuiltFrom(t *testing.T) {
	for _, test := range []struct {
		dependency, repository, file string
		want                         bool
	}{
		{"github.com/acme/pkg/money", "acme/platform", "pkg/money/round.go", true},
		{"github.com/acme/money/v2", "acme/money", "round.go", true},
		{"@acme/money", "acme/web", "packages/money/src/index.ts", true},
		{"@acme/money", "acme/web", "services/checkout/money/view.ts", false},
		{"github.com/acme/pkg/money", "acme/platform", "pkg/moneybox/box.go", false},
		{"github.com/other/zap", "acme/platform", "internal/router/zap.go", false},
	} {
		if got := builtFrom(test.dependency, test.repository, []string{test.file}); got != test.want {
			t.Errorf("builtFrom(%q, %q, %q) is %v, want %v", test.dependency, test.repository, test.file, got, test.want)
		}
	}
}

func TestWordsOfAName(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"readThreeDSResult", "read thre"},
		{"ErrTokenExpired", "token expir"},
		{"seat_map_tiles", "seat tile"},
		{"HTTPServer2Retries", "retr"},
	} {
		if got := strings.Join(wordsOf(test.name), " "); got != test.want {
			t.Errorf("words of %s are %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzReadCommit(f *testing.F) {
	f.Add("message pool 5 -> 50", "a.go", "@@ -1 +1 @@ func x()\n-a: 1\n+a: 2\n")
	f.Add("", "go.mod", "--- a/go.mod\n+++ b/go.mod\n-x v1.2.3\n+x v2\n")
	f.Add("\xff", "", "@@\n+\n-\n \n@@@@\n+func (")
	f.Fuzz(func(t *testing.T, message, file, diff string) {
		d := parseDiff(diff)
		traitsOf(message, []string{file}, &d)
		bagOf(message, diff)
	})
}
