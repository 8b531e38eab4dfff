// Package document has the types that tilt names of a language server that is left out of this build.
package document

import (
	"errors"

	"go.lsp.dev/uri"
)

var errLeftOut = errors.New("the language server is left out of this build")

// ManagerOpt is a setting of the language server.
type ManagerOpt func()

// WithReadDocumentFunc sets nothing.
func WithReadDocumentFunc(func(uri.URI) ([]byte, error)) ManagerOpt { return func() {} }

// WithResolveURIFunc sets nothing.
func WithResolveURIFunc(func(uri.URI) (string, error)) ManagerOpt { return func() {} }

// ReadDocument reads nothing.
func ReadDocument(uri.URI) ([]byte, error) { return nil, errLeftOut }

// ResolveURI resolves nothing.
func ResolveURI(uri.URI) (string, error) { return "", errLeftOut }
