//go:build tools

// Package tools keeps the command line's packages among this module's requirements.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
