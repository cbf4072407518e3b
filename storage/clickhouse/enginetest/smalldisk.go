package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hindcast/hindcast/cmd/child/component"
)

// SmallDisk is how to start an engine whose data lies on a disk of its own, of so
// many megabytes, and where the engine sees that disk: another process finds it
// below /proc/PID/root. It is gone when the engine ends. Where none can be
// mounted the test is skipped, and fails when CI=true.
func SmallDisk(tb testing.TB, megabytes int) (o Options, data string) {
	tb.Helper()
	dir := tb.TempDir()
	data = filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		tb.Fatal(err)
	}
	under := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		under = append(under, "--map-root-user")
	}
	under = append(under, "sh", "-c", fmt.Sprintf(`mount -t tmpfs -o size=%dm tmpfs "$0" && exec "$@"`, megabytes), data)
	if out, err := exec.CommandContext(tb.Context(), under[0], append(under[1:], "true")...).CombinedOutput(); err != nil {
		component.Need(tb, &component.Unavailable{What: "small disk", Why: fmt.Sprintf("user %d cannot mount one on %s: %v %s", os.Geteuid(), runtime.GOOS, err, out)})
	}
	return Options{Dir: dir, Under: under}, data
}
