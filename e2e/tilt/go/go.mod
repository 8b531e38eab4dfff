module exportpool.dev/e2e/tilt

go 1.26.0

require (
	github.com/google/go-containerregistry v0.22.1
	github.com/tilt-dev/tilt v0.37.6
)

// As tilt's own go.mod replaces them.
replace github.com/emicklei/go-restful/v3 => github.com/emicklei/go-restful/v3 v3.9.0

replace github.com/pkg/browser => github.com/tilt-dev/browser v0.0.1

// Only `tilt lsp` needs it, and its module cannot be verified.
replace github.com/tilt-dev/starlark-lsp => ./starlark-lsp
