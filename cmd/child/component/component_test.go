package component_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hindcast/hindcast/cmd/child/component"
)

// fake is a component that counts how often it was closed.
type fake struct {
	closed int
	err    error
}

func (f *fake) Close() error { f.closed++; return f.err }
func (f *fake) Log() string  { return "all is well" }

// verdict is a test that is skipped or fails without this one.
type verdict struct {
	testing.TB
	skipped, failed bool
	cleanups        []func()
}

func (v *verdict) Helper()               {}
func (v *verdict) Skip(...any)           { v.skipped = true; runtime.Goexit() }
func (v *verdict) Fatal(...any)          { v.failed = true; runtime.Goexit() }
func (v *verdict) Errorf(string, ...any) { v.failed = true }
func (v *verdict) Logf(string, ...any)   {}
func (v *verdict) Failed() bool          { return v.failed }
func (v *verdict) Cleanup(f func())      { v.cleanups = append(v.cleanups, f) }

// judge runs a test to its end.
func judge(test func(tb testing.TB)) *verdict {
	v := &verdict{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(v)
	}()
	<-done
	for _, f := range v.cleanups {
		f()
	}
	return v
}

func TestSharedIsStartedOnceAndClosed(t *testing.T) {
	var only fake
	starts := 0
	s := component.Shared[*fake]{Name: "the fake", Run: func(context.Context) (*fake, error) { starts++; return &only, nil }}
	if code := s.Finish(0); code != 0 || only.closed != 0 {
		t.Errorf("one that nobody wanted: code %d, closed %d times", code, only.closed)
	}
	for range 3 {
		if s.Get(t) != &only {
			t.Error("it is another one")
		}
	}
	if code := s.Finish(2); starts != 1 || only.closed != 1 || code != 2 {
		t.Errorf("%d starts, %d ends, code %d, want one each and 2", starts, only.closed, code)
	}
	only.err = errors.New("broken")
	if code := s.Finish(0); code != 1 {
		t.Errorf("one that cannot be closed: code %d, want 1", code)
	}
}

func TestNeed(t *testing.T) {
	missing := fmt.Errorf("run: %w", &component.Unavailable{What: "broker", Why: "it is not here"})
	for _, c := range []struct {
		name            string
		ci              string
		err             error
		skipped, failed bool
	}{
		{name: "there"},
		{name: "missing", err: missing, skipped: true},
		{name: "missing in CI", ci: "true", err: missing, failed: true},
		{name: "broken", err: errors.New("broken"), failed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("CI", c.ci)
			v := judge(func(tb testing.TB) { component.Need(tb, c.err) })
			if v.skipped != c.skipped || v.failed != c.failed {
				t.Errorf("skipped %t, failed %t, want %t and %t", v.skipped, v.failed, c.skipped, c.failed)
			}
			v = judge(func(tb testing.TB) {
				s := component.Shared[*fake]{Run: func(context.Context) (*fake, error) { return nil, c.err }}
				for range 2 { // the second test as the first one
					s.Get(tb)
				}
			})
			if v.skipped != c.skipped || v.failed != c.failed {
				t.Errorf("shared: skipped %t, failed %t, want %t and %t", v.skipped, v.failed, c.skipped, c.failed)
			}
		})
	}
}

func TestBinary(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("HINDCAST_TEST_NOTHING", "")
	if v := judge(func(tb testing.TB) { component.Binary(tb, "thing", "HINDCAST_TEST_NOTHING") }); !v.skipped {
		t.Error("a test without its component is not skipped")
	}
	t.Setenv("HINDCAST_TEST_NOTHING", "/bin/thing")
	if got := component.Binary(t, "thing", "HINDCAST_TEST_NOTHING"); got != "/bin/thing" {
		t.Errorf("got %q", got)
	}
}

func TestOwnEndsWithTheTest(t *testing.T) {
	f := &fake{}
	v := judge(func(tb testing.TB) { component.Own(tb, "the fake", f) })
	if f.closed != 1 || v.failed {
		t.Errorf("closed %d times, failed %t", f.closed, v.failed)
	}
	f = &fake{err: errors.New("broken")}
	if v := judge(func(tb testing.TB) { component.Own(tb, "the fake", f) }); !v.failed {
		t.Error("it cannot be closed, and the test does not fail")
	}
}

func TestCached(t *testing.T) {
	got, err := component.Cached("kafka", "lib")
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.Abs("../../../.cache/kafka/lib")
	if err != nil || got != want {
		t.Errorf("got %s, want %s, error %v", got, want, err)
	}
}
