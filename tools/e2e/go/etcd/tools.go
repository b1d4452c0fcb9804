//go:build tools

// What of etcd is built, so that go.mod and go.sum name all that it needs.
package tools

import _ "go.etcd.io/etcd/server/v3"
