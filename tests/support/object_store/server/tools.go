//go:build tools

// Package tools keeps the object-store server's package among this module's requirements.
package tools

import _ "github.com/fsouza/fake-gcs-server"
