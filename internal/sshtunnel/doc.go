// Package sshtunnel connects to a server through a bastion host: each
// connection has an SSH connection of its own, and nothing listens on this
// machine, so that nobody else here can use the tunnel. The bastion's key is
// always checked (hostkey.go).
package sshtunnel
