package load_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child/load"
)

// size is what a command's flags say.
type size struct {
	lines int
	stage time.Duration
	note  string
}

func parse(args ...string) (size, error) {
	var s size
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(&bytes.Buffer{})
	flags.IntVar(&s.lines, "lines", 0, "")
	flags.DurationVar(&s.stage, "stage", 0, "")
	flags.StringVar(&s.note, "note", "", "")
	return s, load.Parse(flags, args, func(short bool) error {
		if s.note == "bad" {
			return errors.New("there is no such note")
		}
		if s = (size{1000, time.Hour, "whole"}); short {
			s = size{10, time.Second, "short"}
		}
		return nil
	})
}

func TestParseKeepsWhatWasGiven(t *testing.T) {
	for _, c := range []struct {
		args []string
		want size
	}{
		{nil, size{1000, time.Hour, "whole"}},
		{[]string{"-lines=7"}, size{7, time.Hour, "whole"}},
		{[]string{"-short"}, size{10, time.Second, "short"}},
		{[]string{"-stage=1m30s", "-short", "-note", "a b=c"}, size{10, 90 * time.Second, "a b=c"}},
		{[]string{"-short", "-lines=0", "-note="}, size{0, time.Second, ""}},
	} {
		if got, err := parse(c.args...); err != nil || got != c.want {
			t.Errorf("%q: got %+v, error %v, want %+v", c.args, got, err, c.want)
		}
	}
	for _, args := range [][]string{{"extra"}, {"-nonsense"}, {"-lines=x"}, {"-note=bad"}} {
		if _, err := parse(args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if _, err := parse("-h"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: error %v", err)
	}
}

func TestWithinRemovesItsFolder(t *testing.T) {
	parent := t.TempDir()
	var p load.Place
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	p.Flags(flags, "nothing")
	if err := flags.Parse([]string{"-dir", parent, "-hindcast", "some/binary"}); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	err := p.Within(t.Context(), "test", t.Logf, func(binary, dir string) error {
		if !filepath.IsAbs(binary) || filepath.Base(binary) != "binary" || filepath.Dir(dir) != parent {
			t.Errorf("binary %s in %s", binary, dir)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Error(err)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the function", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, error %v", left, err)
	}
}
