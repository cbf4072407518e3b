package deploy

import (
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// Status is the state that a CI/CD system's word for it means, whatever its
// case and its hyphens; false when the word is not known.
func Status(word string) (event.ChangeStatus, bool) {
	status, ok := statuses[normal(word)]
	return status, ok
}

// Kind is the kind of change that a word means, as Status is of states.
func Kind(word string) (event.ChangeKind, bool) {
	kind, ok := kinds[normal(word)]
	return kind, ok
}

var statuses = meanings(map[event.ChangeStatus]string{
	event.ChangeStarted:   "started start starting in_progress inprogress progressing running pending queued created begin begun deploying rolling_out",
	event.ChangeSucceeded: "succeeded success successful succeed ok okay passed pass complete completed done finished deployed healthy synced",
	event.ChangeFailed:    "failed failure fail error errored timed_out timeout broken degraded unhealthy startup_failure",
	event.ChangeCancelled: "cancelled canceled cancel aborted abort stopped skipped",
})

var kinds = meanings(map[event.ChangeKind]string{
	event.ChangeDeploy:    "deploy deployment deployed release rollout roll_out redeploy upgrade promotion promote hotfix canary",
	event.ChangeRollback:  "rollback roll_back rolled_back revert reverted undo",
	event.ChangeConfig:    "config configuration config_change configmap settings",
	event.ChangeFlag:      "flag feature_flag featureflag feature_toggle toggle",
	event.ChangeMigration: "migration migrate db_migration database_migration schema_migration schema_change",
	event.ChangeRestart:   "restart restarted reboot rolling_restart",
})

func kindOf(o *body.Object) event.ChangeKind {
	return wordOf(o, "kind", Kind, event.ChangeDeploy, "deploy, rollback, config, flag, migration or restart")
}

func statusOf(o *body.Object) event.ChangeStatus {
	return wordOf(o, "status", Status, event.ChangeSucceeded, "started, succeeded, failed or cancelled")
}

// wordOf reads a field that holds one of a few words; absent stands for the
// default.
func wordOf[T any](o *body.Object, name string, lookup func(string) (T, bool), absent T, want string) T {
	word := o.Text(name, MaxName)
	if word == "" {
		return absent
	}
	meaning, ok := lookup(word)
	if !ok {
		o.Fail(name, body.ClassValue, "%.60q is not known: want %s", word, want)
	}
	return meaning
}

func meanings[T comparable](words map[T]string) map[string]T {
	table := map[string]T{}
	for meaning, list := range words {
		for word := range strings.FieldsSeq(list) {
			table[word] = meaning
		}
	}
	return table
}

func normal(word string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
}
