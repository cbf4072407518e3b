package config

const (
	inStore    = "; the address, with the user and the database, is given by --store"
	inPassword = "; the password is in the environment, as HINDCAST_CLICKHOUSE_PASSWORD, or in a file that --store names: ?password_file=FILE"
	inSASL     = "; it belongs to the section sasl of kafka"
)

// elsewhere says of keys where what they might hold is given.
var elsewhere = map[string]string{
	"clickhouse.dsn": inStore, "clickhouse.url": inStore, "clickhouse.address": inStore, "clickhouse.addr": inStore,
	"clickhouse.host": inStore, "clickhouse.hosts": inStore, "clickhouse.port": inStore, "clickhouse.database": inStore,
	"clickhouse.user": inStore, "clickhouse.username": inStore, "clickhouse.password": inPassword,
	"clickhouse.password_file": inPassword,
	"kafka.sasl.user":          `; did you mean "username"?`,
	"kafka.password":           inSASL, "kafka.password_file": inSASL, "kafka.username": inSASL, "kafka.mechanism": inSASL,
}

// suggest names the key that was probably meant; "" when none is like it.
func suggest(got string, fields []field) string {
	best, least := "", max(2, len(got)/3)+1
	for _, f := range fields {
		if d := distance(got, f.key); d < least {
			best, least = f.key, d
		}
	}
	return best
}

// distance is how many characters must be inserted, deleted or replaced to
// make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
