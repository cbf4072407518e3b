package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestWithoutRights opens stores as a user who may only read: an engine's session
// that is read-only stands for one without rights to the schema.
func TestWithoutRights(t *testing.T) {
	engine := enginetest.Shared(t)
	current, empty, missing := engine.Database(t), engine.Database(t), engine.DSN("is_not_there")
	closeStore(t, mustOpen(t, current, Options{}))
	const readonly = "?readonly=2"

	closeStore(t, mustOpen(t, current+readonly, Options{}))

	var logged bytes.Buffer
	name := databaseOf(t, current)
	engine.Exec(t, "INSERT INTO "+name+".schema_versions (version, views) SELECT max(version), 'other' FROM "+name+".schema_versions")
	closeStore(t, mustOpen(t, current+readonly, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))}))
	if !strings.Contains(logged.String(), "the views are not those of this version") {
		t.Errorf("other views: logged %q", logged.String())
	}

	for dsn, want := range map[string]string{
		empty + readonly:   "run hindcast migrate as one who may (GRANT CREATE",
		missing + readonly: "have one who may run: CREATE DATABASE IF NOT EXISTS `is_not_there`",
	} {
		_, err := Open(t.Context(), dsn, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: got error %v, want %q in it", dsn, err, want)
		}
	}
}

// versioned answers as a server of some version.
type versioned struct {
	driver.Conn
	version string
}

func (versioned) Exec(context.Context, string, ...any) error { return nil }

func (v versioned) ServerVersion() (*driver.ServerVersion, error) {
	return &driver.ServerVersion{Version: proto.ParseVersion(v.version)}, nil
}

func TestOldServer(t *testing.T) {
	for version, good := range map[string]bool{
		"23.12.1.1": false, "24.7.9.9": false, "24.8.0.0": true, "24.8.14.1": true, "24.12.1.1": true, "25.1.1.1": true, "26.5.1.1": true,
	} {
		err := classifyOpen(t.Context(), checkServer(t.Context(), versioned{version: version}))
		if (err == nil) != good || errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: got error %v, want it taken: %v", version, err, good)
		}
		if err != nil && !strings.Contains(err.Error(), "24.8 or later is needed") {
			t.Errorf("%s: got error %v, want the oldest version in it", version, err)
		}
	}
}
