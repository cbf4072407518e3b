package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/cmd/hindcast/transfer"
	"github.com/hindcast/hindcast/ingest/logs"
	"github.com/hindcast/hindcast/storage"
)

type copyCmd struct {
	From       copySpec `name:"from" required:"" placeholder:"STORE" help:"Copy this: sqlite:PATH, clickhouse://USER@HOST:PORT/DATABASE, or the backup ndjson:PATH; ndjson:- is the standard input."`
	To         copySpec `name:"to" required:"" placeholder:"STORE" help:"To there: a store, which is made when it does not exist, or a backup: ndjson:PATH, compressed when PATH ends in .gz or .zst; ndjson:- is the standard output."`
	ConfigFile string   `name:"config.file" placeholder:"FILE" help:"The configuration, for clickhouse."`
	Checkpoint string   `name:"checkpoint" placeholder:"FILE" help:"Keep here how far the copy is. By default beside the file that is written, else beside that which is read, else in this folder."`
	FactsOnly  bool     `name:"facts-only" xor:"timelines" help:"Copy no timelines: hindcast derives those of the target from the facts, when it serves it."`
	Timelines  bool     `name:"timelines" xor:"timelines" help:"Copy the timelines also to a ClickHouse that another hindcast serves or has served. One that serves it stands by meanwhile."`
	Restart    bool     `name:"restart" help:"Begin anew where an earlier run did not end."`
	RetryFor   span     `name:"retry.for" default:"15m" help:"Wait so long for a store that does not answer while it copies."`
}

// Help is the command's long help.
func (copyCmd) Help() string {
	return examples(`Copies all facts: events, alerts, log lines with their counts, and what was put aside, with their payloads and the times at which they were received. From store to store it copies the timelines too, so that links to incidents stay good; a timeline that the target knows as of a later revision stays as it is there. Those of a ClickHouse that a hindcast serves, or has served, are left to it, unless --timelines is given. A backup holds facts only, one JSON object a line, as POST /ingest/events takes them: hindcast derives the timelines anew when it serves the store that the backup was restored to.

When it is interrupted, by a signal, a crash or a store that went away, the same command goes on where it was. What was copied already is not doubled: copying again changes nothing. A backup takes its name when it is complete, and replaces an older one then.

A store in a SQLite file must not be served meanwhile. The password of ClickHouse is taken as by serve.

Exits with 1 when anything was not copied; lines of a backup that cannot be read are told with their numbers, and the others are copied.`,
		"hindcast copy --from=sqlite:data/hindcast.db --to=clickhouse://hindcast@ch1:9000/hindcast",
		"hindcast copy --from=sqlite:data/hindcast.db --to=ndjson:hindcast-2026-11-22.ndjson.zst",
		"hindcast copy --from=ndjson:hindcast-2026-11-22.ndjson.zst --to=sqlite:restored.db",
		"hindcast copy --from=clickhouse://hindcast@ch1:9000/hindcast --to=ndjson:- | aws s3 cp - s3://backups/hindcast.ndjson")
}

// copySpec is a store or a backup.
type copySpec string

const backupPrefix = "ndjson:"

// UnmarshalText checks it, as far as that can be told without opening it.
func (c *copySpec) UnmarshalText(text []byte) error {
	*c = copySpec(text)
	path, ok := c.backup()
	switch {
	case ok && path == "":
		return errors.New("ndjson: without a path; want ndjson:PATH, or ndjson:- for a pipe")
	case ok:
		return nil
	}
	err := server.CheckStore(string(text))
	if wrong, ok := errors.AsType[server.StoreSpecError](err); ok {
		return fmt.Errorf("%w; or, for a backup, ndjson:PATH", wrong)
	}
	return err
}

// backup is the path of a backup.
func (c copySpec) backup() (path string, ok bool) { return strings.CutPrefix(string(c), backupPrefix) }

// piped reports whether it is the standard input or output.
func (c copySpec) piped() bool { return c == backupPrefix+"-" }

// file is the file that it is in; "" for none.
func (c copySpec) file() string {
	path, ok := c.backup()
	if !ok {
		path, _ = strings.CutPrefix(string(c), "sqlite:")
	}
	if c.piped() || (!ok && path == string(c)) {
		return ""
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}

// name is what it may be called: one thing has one name, without a password.
func (c copySpec) name() string {
	file := c.file()
	switch _, backup := c.backup(); {
	case file == "":
		return server.RedactStore(string(c))
	case backup:
		return backupPrefix + file
	}
	return "sqlite:" + file
}

// Run copies.
func (c *copyCmd) Run(s *streams) error {
	if err := c.check(); err != nil {
		return err
	}
	loaded, err := config.Load(c.ConfigFile)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	file := c.checkpoint()
	if c.Restart && file != "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--restart: %w", err)
		}
	}
	state, err := transfer.Load(file, c.From.name(), c.To.name())
	if err != nil {
		return c.explain(err, file)
	}
	return c.copy(ctx, s, loaded, state, file)
}

// check finds what is wrong with the command line before anything is opened.
func (c *copyCmd) check() error {
	if c.Checkpoint != "" && (c.From.piped() || c.To.piped()) {
		return usageError("--checkpoint does not go with ndjson:-: a pipe cannot be resumed")
	}
	if c.From.name() == c.To.name() && !c.From.piped() {
		return usageError("--from and --to are the same: %s", c.From.name())
	}
	from := c.From.file()
	if from == "" {
		return nil
	}
	// Opening a store makes it, which is not wanted of one to read from.
	there, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if to := c.To.file(); to != "" {
		if other, err := os.Stat(to); err == nil && os.SameFile(there, other) {
			return usageError("--from and --to are the same: %s", from)
		}
	}
	return nil
}

// checkpoint is the file that tells how far the copy is; "" when it cannot be
// resumed.
func (c *copyCmd) checkpoint() string {
	const suffix = ".copy.json"
	switch {
	case c.From.piped() || c.To.piped():
		return ""
	case c.Checkpoint != "":
		return c.Checkpoint
	case c.To.file() != "":
		return c.To.file() + suffix
	case c.From.file() != "":
		return c.From.file() + suffix
	}
	sum := sha256.Sum256([]byte(c.From.name() + "\n" + c.To.name()))
	return fmt.Sprintf("hindcast-%x%s", sum[:4], suffix)
}

func (c *copyCmd) copy(ctx context.Context, s *streams, loaded config.Config, state *transfer.State, file string) (err error) {
	from, closeFrom, err := c.openFrom(ctx, s, loaded)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, closeFrom()) }()
	to, closeTo, err := c.openTo(ctx, s, loaded, state)
	if err != nil {
		return c.explain(fmt.Errorf("--to: %w", err), file)
	}
	defer func() { err = errors.Join(err, closeTo()) }()
	if c.From.file() == "" && c.To.file() == "" && !c.From.piped() && !c.To.piped() && from.Identity() == to.Identity() {
		return usageError("--from and --to are the same data: %s", c.To.name())
	}
	show := newCopyDisplay(s.err)
	show.say("copying %s to %s", c.From.name(), c.To.name())
	switch {
	case file != "" && state.Resumed():
		show.say("going on where an earlier run ended, behind %s (checkpoint %s; --restart begins anew)", plural(int(state.Copied.Facts()), "fact"), file)
	case file != "":
		show.say("checkpoint %s", file)
	}
	sum, err := transfer.Copy(ctx, from, to, state, transfer.Options{
		From: c.From.name(), To: c.To.name(), Checkpoint: file, RetryFor: time.Duration(c.RetryFor), FactsOnly: c.FactsOnly,
		Progress: show.progress, Notice: func(text string) { show.say("%s", text) },
	})
	show.clear()
	if err != nil {
		return c.explain(err, file)
	}
	show.summary(sum)
	if s, ok := to.(*transfer.Store); ok && s.Kept() > 0 {
		show.say("%s stayed as they are there: more is kept of them than was to be copied", plural(int(s.Kept()), "chunk"))
	}
	if sum.Wrong > 0 {
		return fmt.Errorf("%s of the backup could not be read; all others were copied", plural(int(sum.Wrong), "line"))
	}
	return nil
}

// explain adds what to do about an error.
func (c *copyCmd) explain(err error, file string) error {
	switch {
	case errors.Is(err, transfer.ErrOtherCopy):
		return fmt.Errorf("%w; begin anew with --restart, or name another file with --checkpoint", err)
	case errors.Is(err, transfer.ErrDamaged):
		return fmt.Errorf("%w; what is whole before that was copied", err)
	case file == "":
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: the same command goes on from %s", file)
	}
	if _, statErr := os.Stat(file); statErr == nil {
		return fmt.Errorf("%w; the same command goes on from %s", err, file)
	}
	return err
}

func (c *copyCmd) openFrom(ctx context.Context, s *streams, loaded config.Config) (transfer.Source, func() error, error) {
	if path, ok := c.From.backup(); ok {
		formats := loaded.Formats()
		b, err := transfer.OpenBackup(path, logs.New(formats.Labels, formats.Limits.LogBody).Complete)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}
	return openCopied(ctx, s, loaded, c.From, true)
}

func (c *copyCmd) openTo(ctx context.Context, s *streams, loaded config.Config, state *transfer.State) (transfer.Target, func() error, error) {
	if path, ok := c.To.backup(); ok {
		b, err := transfer.CreateBackup(path, state.Mark)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}
	to, closeTo, err := openCopied(ctx, s, loaded, c.To, false)
	if err != nil {
		return nil, nil, err
	}
	if c.Timelines {
		to.TakeOver()
	}
	return to, closeTo, nil
}

// openCopied opens a store, which is made unless it must exist. A file must have
// been looked for before.
func openCopied(ctx context.Context, s *streams, loaded config.Config, spec copySpec, existing bool) (*transfer.Store, func() error, error) {
	store, err := server.OpenStore(ctx, string(spec), server.StoreOptions{Config: loaded, Existing: existing, KeepTTL: true, Logger: s.log})
	if err != nil {
		if spec.file() != "" && errors.Is(err, storage.ErrUnavailable) {
			err = fmt.Errorf("%w; a store in a file has one user: stop hindcast serve first", err)
		}
		return nil, nil, err
	}
	out, err := transfer.NewStore(store, transfer.CopyOwner+" by "+server.ProcessName())
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return out, func() error { return errors.Join(out.Close(), store.Close()) }, nil
}
