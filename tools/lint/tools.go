//go:build tools

// Package tools keeps the programs that read this project's files among this module's requirements.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
