package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/storage/clickhouse"
)

type migrateCmd struct {
	Store      storeSpec `name:"store" required:"" placeholder:"STORE" help:"The store: clickhouse://USER@HOST:PORT/DATABASE, or sqlite:PATH."`
	ConfigFile string    `name:"config.file" placeholder:"FILE" help:"The configuration, for the retention and clickhouse. Without it, the TTL of tables that exist is left as it is."`
	DryRun     bool      `name:"dry-run" help:"Print the SQL, and change nothing."`
}

// Help is the command's long help.
func (migrateCmd) Help() string {
	return examples(`serve migrates by itself where its user may do so. This command is for a user who may, when serve's may not, and for what serve does not do: changing the age at which ClickHouse's tables delete rows by themselves, after the retention was changed. It can be interrupted and run again, also while hindcast serves.

The password is taken as by serve.`,
		"hindcast migrate --store=clickhouse://admin@ch1:9000/hindcast --config.file=hindcast.yml --dry-run",
		"hindcast migrate --store=clickhouse://admin@ch1:9000/hindcast --config.file=hindcast.yml")
}

// Run migrates the store.
func (c *migrateCmd) Run(s *streams) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	loaded, err := config.Load(c.ConfigFile)
	if err != nil {
		return err
	}
	if !clickhouse.IsDSN(string(c.Store)) {
		return c.migrateSQLite(ctx, s, loaded)
	}
	options := server.ClickHouseOptions(loaded, s.log)
	options.KeepTTL = c.ConfigFile == ""
	changes, database := 0, ""
	err = clickhouse.Migrate(ctx, string(c.Store), options, c.DryRun, func(change clickhouse.Change) {
		changes++
		if c.DryRun {
			if change.Database != database {
				database = change.Database
				fmt.Fprintf(s.out, "USE %s;\n\n", database)
			}
			fmt.Fprintf(s.out, "-- %s\n%s;\n\n", change.Why, change.SQL)
			return
		}
		fmt.Fprintln(s.out, change.Why)
	})
	if err != nil {
		return err
	}
	if options.KeepTTL {
		comment := ""
		if c.DryRun {
			comment = "-- "
		}
		fmt.Fprintf(s.out, "%sthe TTL of tables that existed is left as it is: give --config.file to have it changed to the retention there\n", comment)
	}
	return c.conclude(s, changes)
}

func (c *migrateCmd) conclude(s *streams, changes int) error {
	store, text := server.RedactStore(string(c.Store)), "%s is up to date\n"
	switch {
	case changes > 0 && c.DryRun:
		text = "-- %s: nothing was changed\n"
	case changes > 0:
		text = "%s is up to date now\n"
	}
	if _, err := fmt.Fprintf(s.out, text, store); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// migrateSQLite opens the store, which brings its schema up to date.
func (c *migrateCmd) migrateSQLite(ctx context.Context, s *streams, loaded config.Config) error {
	if c.DryRun {
		return usageError("--dry-run: a store in SQLite is brought up to date whenever it is opened; what that would do cannot be told before")
	}
	store, err := server.OpenStore(ctx, string(c.Store), server.StoreOptions{Config: loaded, Logger: s.log})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	return c.conclude(s, 0)
}
