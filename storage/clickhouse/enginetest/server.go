package enginetest

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/cmd/child"
)

// prepareServer writes the configuration of a clickhouse server that keeps all
// in the folder and listens on two free ports, and returns its command.
func (e *Engine) prepareServer(binary string) ([]string, error) {
	free, err := child.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	e.http, e.native = free[0], free[1]
	dir := e.options.Dir
	config := filepath.Join(dir, "config.xml")
	users := filepath.Join(dir, "users.xml")
	for file, text := range map[string]string{
		config: fmt.Sprintf(serverConfig, escaped(dir), portOf(e.http), portOf(e.native), escaped(users)),
		users:  serverUsers,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write the engine's configuration: %w", err)
		}
	}
	return []string{binary, "server", "--config-file=" + config}, nil
}

const serverConfig = `<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <path>%[1]s/data/</path>
  <tmp_path>%[1]s/data/tmp/</tmp_path>
  <user_files_path>%[1]s/data/user_files/</user_files_path>
  <format_schema_path>%[1]s/data/format_schemas/</format_schema_path>
  <listen_host>127.0.0.1</listen_host>
  <http_port>%[2]s</http_port>
  <tcp_port>%[3]s</tcp_port>
  <mark_cache_size>268435456</mark_cache_size>
  <user_directories>
    <users_xml><path>%[4]s</path></users_xml>
    <local_directory><path>%[1]s/data/access/</path></local_directory>
  </user_directories>
  <query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>1000</flush_interval_milliseconds></query_log>
</clickhouse>
`

const serverUsers = `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <access_management>1</access_management>
    </default>
  </users>
</clickhouse>
`

func escaped(v string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(v)) // a Builder takes all
	return b.String()
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// useGiven takes the server that a DSN names.
func (e *Engine) useGiven(ctx context.Context, dsn string) error {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("read HINDCAST_TEST_CLICKHOUSE: %w", err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return fmt.Errorf("read HINDCAST_TEST_CLICKHOUSE: %w", err)
	}
	if len(options.Addr) == 0 {
		return fmt.Errorf("HINDCAST_TEST_CLICKHOUSE names no host")
	}
	e.given = dsn
	if options.Protocol == clickhouse.HTTP && u.Scheme == "http" {
		e.http = options.Addr[0]
	} else {
		e.native = options.Addr[0]
	}
	if _, err := e.Rows(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("use the server that HINDCAST_TEST_CLICKHOUSE names: %w", err)
	}
	return nil
}
