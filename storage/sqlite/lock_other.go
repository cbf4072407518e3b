//go:build !unix || solaris || illumos || aix

package sqlite

import (
	"fmt"
	"os"
)

// lockFile makes the lock file and takes no lock: this system has none that
// ends with the process. SQLite's own locks still keep the data whole.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the lock file: %w", err)
	}
	return f, nil
}
