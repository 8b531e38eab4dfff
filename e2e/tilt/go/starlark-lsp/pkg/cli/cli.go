// Package cli stands in for the language server of `tilt lsp`, which nobody calls here and whose module has no checksum.
package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/tilt-dev/starlark-lsp/pkg/document"
)

// RootCmd is the command `tilt lsp`.
type RootCmd struct{ *cobra.Command }

// NewRootCmd makes a command that says that it is not there.
func NewRootCmd(name string, _ func() fs.FS, _ ...document.ManagerOpt) *RootCmd {
	refuse := func(*cobra.Command, []string) error { return errors.New(name + " is left out of this build") }
	return &RootCmd{&cobra.Command{Use: name, RunE: refuse}}
}

// NewLogger makes a logger that writes nothing.
func NewLogger() (*zap.Logger, func()) { return zap.NewNop(), func() {} }
