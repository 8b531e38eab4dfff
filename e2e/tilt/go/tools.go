//go:build tools

package tools

import (
	_ "github.com/google/go-containerregistry/cmd/crane"
	_ "github.com/tilt-dev/tilt/cmd/tilt"
)
