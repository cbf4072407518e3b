package grafana

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// view is what a dashboard is looked at with: its time range and the values of
// its variables. It replaces in SQL what Grafana and the ClickHouse data source
// replace, in their order: $__conditionalAll and variables in the browser, the
// other macros in the plug-in's backend.
type view struct {
	from, to time.Time
	interval time.Duration
	chosen   map[string]chosen
}

// chosen is the value of a variable.
type chosen struct {
	values []string
	text   string
	multi  bool
	// all says that the entry All is chosen; values are then all there are.
	all bool
}

var (
	namedVariable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::(\w+))?\}`)
	plainVariable = regexp.MustCompile(`^\s*\$(?:\{(\w+)\}|(\w+))\s*$`)
)

// expand replaces all of it. What is left over is an error.
func (v view) expand(sql string) (string, error) {
	sql, err := v.conditions(sql)
	if err != nil {
		return "", err
	}
	if sql, err = v.variables(sql); err != nil {
		return "", err
	}
	if sql, err = v.macros(sql); err != nil {
		return "", err
	}
	if i := strings.Index(sql, "$"); i >= 0 {
		return "", fmt.Errorf("not replaced: %.40q", sql[i:])
	}
	return sql, nil
}

// conditions replaces $__conditionalAll(condition, $variable): by the condition,
// or by 1=1 where all values are chosen.
func (v view) conditions(sql string) (string, error) {
	const macro = "$__conditionalAll("
	for {
		i := strings.LastIndex(sql, macro)
		if i < 0 {
			return sql, nil
		}
		args, end, err := arguments(sql[i+len(macro)-1:])
		if err != nil {
			return "", err
		}
		if len(args) != 2 {
			return "", fmt.Errorf("%s…): %d arguments, want a condition and a variable", macro, len(args))
		}
		m := plainVariable.FindStringSubmatch(args[1])
		if m == nil {
			return "", fmt.Errorf("%s…): the second argument is %q, want a plain variable", macro, args[1])
		}
		c, ok := v.chosen[m[1]+m[2]]
		if !ok {
			return "", fmt.Errorf("there is no variable %s", args[1])
		}
		condition := args[0]
		if c.all {
			condition = "1=1"
		}
		sql = sql[:i] + condition + sql[i+len(macro)-1+end:]
	}
}

// arguments reads a list of arguments in brackets, cut at its commas outside of
// further brackets, and says where it ends.
func arguments(text string) (args []string, end int, err error) {
	depth, begin := 0, 1
	for i, c := range text {
		switch {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return append(args, text[begin:i]), i + 1, nil
			}
		case c == ',' && depth == 1:
			args, begin = append(args, text[begin:i]), i+1
		}
	}
	return nil, 0, fmt.Errorf("the bracket does not end: %.40q", text)
}

// variables replaces $name, ${name} and ${name:format}. Names that begin with
// two underscores and are none of Grafana's are the plug-in's macros.
func (v view) variables(sql string) (string, error) {
	var failed error
	out := namedVariable.ReplaceAllStringFunc(sql, func(text string) string {
		m := namedVariable.FindStringSubmatch(text)
		name, format := m[1]+m[2], m[3]
		if strings.HasPrefix(name, "__") {
			return text
		}
		c, ok := v.chosen[name]
		if !ok {
			failed = fmt.Errorf("there is no variable %s", text)
			return text
		}
		switch format {
		case "singlequote":
			return quoted(c.values)
		case "text":
			return c.text
		case "percentencode":
			return url.PathEscape(strings.Join(c.values, ","))
		case "":
			if c.multi {
				return "'" + strings.Join(c.values, "','") + "'"
			}
			return strings.Join(c.values, ",")
		}
		failed = fmt.Errorf("%s: this test does not know the format", text)
		return text
	})
	return out, failed
}

func quoted(values []string) string {
	list := make([]string, len(values))
	for i, value := range values {
		list[i] = "'" + strings.ReplaceAll(value, "'", `\'`) + "'"
	}
	return strings.Join(list, ",")
}

var macro = regexp.MustCompile(`\$__(\w+)`)

// macros replaces the macros of the plug-in's backend.
func (v view) macros(sql string) (string, error) {
	for {
		at := macro.FindStringSubmatchIndex(sql)
		if at == nil {
			return sql, nil
		}
		name, end := sql[at[2]:at[3]], at[1]
		var args []string
		if strings.HasPrefix(sql[end:], "(") {
			list, length, err := arguments(sql[end:])
			if err != nil {
				return "", err
			}
			args, end = list, end+length
		}
		text, err := v.macro(name, args)
		if err != nil {
			return "", err
		}
		sql = sql[:at[0]] + text + sql[end:]
	}
}

func (v view) macro(name string, args []string) (string, error) {
	seconds := strconv.Itoa(int(max(v.interval.Seconds(), 1)))
	moment := func(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }
	exact := func(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }
	date := func(t time.Time) string { return "toDate('" + t.Format(time.DateOnly) + "')" }
	want := map[string]int{"fromTime": 0, "toTime": 0, "fromTime_ms": 0, "toTime_ms": 0, "interval_s": 0,
		"timeFilter": 1, "timeFilter_ms": 1, "dateFilter": 1, "timeInterval": 1, "timeInterval_ms": 1}
	n, ok := want[name]
	if !ok {
		return "", fmt.Errorf("the data source has no macro $__%s", name)
	}
	if len(args) != n {
		return "", fmt.Errorf("$__%s has %d arguments, want %d", name, len(args), n)
	}
	between := func(f func(time.Time) string) string {
		return args[0] + " >= " + f(v.from) + " AND " + args[0] + " <= " + f(v.to)
	}
	switch name {
	case "fromTime":
		return moment(v.from), nil
	case "toTime":
		return moment(v.to), nil
	case "fromTime_ms":
		return exact(v.from), nil
	case "toTime_ms":
		return exact(v.to), nil
	case "interval_s":
		return seconds, nil
	case "timeFilter":
		return between(moment), nil
	case "timeFilter_ms":
		return between(exact), nil
	case "dateFilter":
		return between(date), nil
	case "timeInterval":
		return "toStartOfInterval(toDateTime(" + args[0] + "), INTERVAL " + seconds + " second)", nil
	}
	return fmt.Sprintf("toStartOfInterval(toDateTime64(%s, 3), INTERVAL %d millisecond)", args[0], max(v.interval.Milliseconds(), 1)), nil
}

func TestExpand(t *testing.T) {
	v := view{
		from: time.Unix(1000, 0), to: time.Unix(2000, 500e6), interval: 90 * time.Second,
		chosen: map[string]chosen{
			"service": {values: []string{"pay'ments", "checkout"}, multi: true},
			"any":     {values: []string{"a", "b"}, multi: true, all: true},
			"minor":   {values: []string{"false"}, text: "left out"},
		},
	}
	for _, c := range []struct{ in, want string }{
		{"$__timeFilter(at)", "at >= toDateTime(1000) AND at <= toDateTime(2000)"},
		{"$__timeFilter(coalesce(a, b))", "coalesce(a, b) >= toDateTime(1000) AND coalesce(a, b) <= toDateTime(2000)"},
		{"$__timeFilter_ms(at)", "at >= fromUnixTimestamp64Milli(1000000) AND at <= fromUnixTimestamp64Milli(2000500)"},
		{"$__dateFilter(d)", "d >= toDate('1970-01-01') AND d <= toDate('1970-01-01')"},
		{"$__fromTime, $__toTime, $__fromTime_ms, $__toTime_ms", "toDateTime(1000), toDateTime(2000), fromUnixTimestamp64Milli(1000000), fromUnixTimestamp64Milli(2000500)"},
		{"$__timeInterval(at) $__interval_s", "toStartOfInterval(toDateTime(at), INTERVAL 90 second) 90"},
		{"$__timeInterval_ms(at)", "toStartOfInterval(toDateTime64(at, 3), INTERVAL 90000 millisecond)"},
		{"IN (${service:singlequote})", `IN ('pay\'ments','checkout')`},
		{"IN ($any) ${minor} $minor ${minor:text}", "IN ('a','b') false false left out"},
		{"$__conditionalAll(x IN (${any:singlequote}), $any) AND $__conditionalAll(hasAny(y, [${service:singlequote}]), $service)",
			`1=1 AND hasAny(y, ['pay\'ments','checkout'])`},
	} {
		got, err := v.expand(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s\n got %s, error %v\nwant %s", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{
		"$nothing", "${minor:csv}", "$__nothing(at)", "$__timeFilter", "$__timeFilter(a, b)", "$__timeFilter(a",
		"$__conditionalAll(a)", "$__conditionalAll(a, ${any:singlequote})", "$__conditionalAll(a, $nothing)", "$",
	} {
		if got, err := v.expand(in); err == nil {
			t.Errorf("%s: got %q, want an error", in, got)
		}
	}
}
