// Package load is what the commands have in common that put a load on hindcast:
// how they are called, and where they work.
package load

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/hindcast/hindcast/cmd/child"
)

// Main runs a command, until it ends or is told to, and exits: with 1 for an
// error.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Parse reads the flags of a command, and -short, which it adds. begin then sets
// the variables of the flags to what a whole run or a short one begins with; what
// was given stays.
func Parse(flags *flag.FlagSet, args []string, begin func(short bool) error) error {
	short := flags.Bool("short", false, "a smoke run: the same, small and quick, whose figures say nothing; flags beside it change it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := map[string]string{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	if err := begin(*short); err != nil {
		return err
	}
	for name, value := range given {
		if err := flags.Set(name, value); err != nil {
			return fmt.Errorf("-%s: %w", name, err)
		}
	}
	return nil
}

// Place is where a command works, and with which hindcast.
type Place struct {
	binary, dir string
}

// Flags adds the flags that say so. size is how much it needs of a disk.
func (p *Place) Flags(flags *flag.FlagSet, size string) {
	flags.StringVar(&p.binary, "hindcast", "", "hindcast's binary; built from the source in this folder where it is not given")
	flags.StringVar(&p.dir, "dir", "", "folder for all data, which needs "+size+"; a temporary one where it is not given. What is made in it is removed")
}

// Within makes a folder, and hindcast's binary in it where none was given, calls f
// with both as absolute paths, and removes the folder.
func (p *Place) Within(ctx context.Context, name string, say func(format string, args ...any), f func(binary, dir string) error) (err error) {
	dir, err := os.MkdirTemp(p.dir, name+"-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	binary := p.binary
	if binary == "" {
		say("building hindcast")
		if binary, err = child.Build(ctx, dir); err != nil {
			return err
		}
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return fmt.Errorf("find hindcast's binary: %w", err)
	}
	return f(binary, dir)
}
