package enginetest_test

import (
	"database/sql"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// typed is a row of every type that a store may use.
type typed struct {
	ID      string            `ch:"id"`
	Service string            `ch:"service"`
	Tags    []string          `ch:"tags"`
	Labels  map[string]string `ch:"labels"`
	Digest  string            `ch:"digest"`
	Key     *big.Int          `ch:"key"`
	At      time.Time         `ch:"at"`
	Size    int64             `ch:"size"`
	Kind    uint8             `ch:"kind"`
	Open    bool              `ch:"open"`
	Maybe   *string           `ch:"maybe"`
	State   string            `ch:"state"`
	Pair    []any             `ch:"pair"`
	JSON    string            `ch:"json"`
	Least   time.Time         `ch:"least"`
	Owners  []string          `ch:"owners"`
}

const typedTable = `CREATE TABLE typed (
	id String, service LowCardinality(String), tags Array(LowCardinality(String)), labels Map(LowCardinality(String), String),
	digest FixedString(16), key UInt128, at DateTime64(9, 'UTC'), size Int64 CODEC(Delta, ZSTD), kind UInt8, open Bool,
	maybe Nullable(String), state Enum8('open' = 1, 'closed' = 2), pair Tuple(String, UInt64), json String,
	least SimpleAggregateFunction(min, DateTime64(9, 'UTC')), owners SimpleAggregateFunction(groupUniqArrayArray, Array(String))
) ENGINE = AggregatingMergeTree ORDER BY id`

func typedRow() typed {
	key, _ := new(big.Int).SetString("340282366920938463463374607431768211455", 10)
	maybe := "there"
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)
	return typed{
		ID: "a\x00\xff\xfeb", Service: "payments", Tags: []string{"x", ""}, Labels: map[string]string{"a": "1", "": "empty"},
		Digest: "0123456789abcdef", Key: key, At: at, Size: -1 << 63, Kind: 255, Open: true, Maybe: &maybe, State: "closed",
		Pair: []any{"p", uint64(7)}, JSON: `{"a":["\u0000","é"]}`, Least: at.Add(-time.Nanosecond), Owners: []string{"o"},
	}
}

func TestTypesRoundTrip(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	conn := connect(t, dsn)
	must(t, conn, typedTable)
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO typed")
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	want := typedRow()
	none := want
	none.ID, none.Maybe, none.Tags, none.Labels = "none", nil, []string{}, map[string]string{}
	for _, row := range []typed{want, none} {
		if err := batch.AppendStruct(&row); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var got []typed
	if err := conn.Select(t.Context(), &got, "SELECT * FROM typed ORDER BY id = 'none'"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("%d rows, want 2", len(got))
	}
	for i, want := range []typed{want, none} {
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("row %d\n got %+v\nwant %+v", i, got[i], want)
		}
	}
}

func TestAggregateStates(t *testing.T) {
	conn := connect(t, enginetest.Shared(t).Database(t))
	must(t, conn,
		"CREATE TABLE states (k UInt8, last AggregateFunction(argMax, String, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k",
		"INSERT INTO states SELECT 1, argMaxState(v, ver) FROM values('v String, ver UInt64', ('old', 1), ('new', 2))",
		"INSERT INTO states SELECT 1, argMaxState(v, ver) FROM values('v String, ver UInt64', ('newest', 3))",
	)
	var last string
	if err := conn.QueryRow(t.Context(), "SELECT argMaxMerge(last) FROM states WHERE k = 1").Scan(&last); err != nil || last != "newest" {
		t.Errorf("the state is %q, %v; want newest", last, err)
	}
}

func TestColumnsAndDatabaseSQL(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	conn := connect(t, dsn)
	must(t, conn, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t (b, a)")
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	if err := batch.Column(0).Append([]string{"x", "y"}); err != nil {
		t.Fatal(err)
	}
	if err := batch.Column(1).Append([]uint64{1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}

	db, err := sql.Open("clickhouse", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b string
	if err := db.QueryRowContext(t.Context(), "SELECT b FROM t WHERE a = ?", 2).Scan(&b); err != nil || b != "y" {
		t.Errorf("b is %q, %v; want y", b, err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO t (a, b) VALUES (?, ?)", 3, "it's; {x} \\ \n"); err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), "SELECT b FROM t WHERE a = {a:UInt64}", clickhouse.Named("a", "3")).Scan(&b)
	if err != nil || b != "it's; {x} \\ \n" {
		t.Errorf("b is %q, %v", b, err)
	}
}
