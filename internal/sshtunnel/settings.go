package sshtunnel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"elt/internal/fault"
	"elt/internal/spec"
)

// Settings say where the bastion host is and how to log in there. Names are
// those of MeltanoLabs' connectors, host_key and known_hosts our own.
type Settings struct {
	Enable     bool   `json:"enable"`
	Host       string `json:"host"`
	Port       int    `json:"port"` // 0 is 22
	User       string `json:"username"`
	Key        string `json:"private_key"` // PEM, or the name of a file
	Passphrase string `json:"private_key_password"`
	HostKey    string `json:"host_key"`    // a line of known_hosts, a SHA256: fingerprint, or any
	KnownHosts string `json:"known_hosts"` // a file
}

// Spec lists the settings, under the object that a connector embeds them as.
func Spec(object string) []spec.Setting {
	all := []spec.Setting{
		{Name: "enable", Type: spec.Boolean, Default: false, Help: "Connect through a bastion host, by SSH.", Example: "true"},
		{Name: "host", Type: spec.String, Help: "Bastion host.", Example: "bastion.example.com"},
		{Name: "port", Type: spec.Integer, Default: 22, Help: "Port of the bastion host.", Example: "22"},
		{Name: "username", Type: spec.String, Help: "User on the bastion host.", Example: "tunnel"},
		{Name: "private_key", Type: spec.String, Secret: true, Help: "Private key for the bastion host: the text itself, or a file.", Example: "${SSH_KEY}"},
		{Name: "private_key_password", Type: spec.String, Secret: true, Help: "Password of that key.", Example: "${SSH_KEY_PASSWORD}"},
		{Name: "host_key", Type: spec.String, Help: "The bastion host's own key, so that nobody can stand in for it: public key or SHA256 fingerprint; any turns the check off. Without it known_hosts is asked.", Example: "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"},
		{Name: "known_hosts", Type: spec.String, Default: "~/.ssh/known_hosts", Help: "File of known host keys, in OpenSSH's form.", Example: "/etc/ssh/ssh_known_hosts"},
	}
	for i := range all {
		all[i].Name = object + "." + all[i].Name
	}
	return all
}

// signer is the private key that logs in.
func (s Settings) signer() (ssh.Signer, error) {
	text := s.Key
	if !strings.Contains(text, "-----BEGIN") {
		raw, err := os.ReadFile(home(text))
		if err != nil {
			var where *os.PathError // its path may be a key that was pasted without its first line
			errors.As(err, &where)
			return nil, fault.Wrap(fault.BadConfig, where.Err, "setting \"ssh_tunnel.private_key\" is neither a private key nor a file that can be read")
		}
		text = string(raw)
	} else if !strings.Contains(strings.TrimSpace(text), "\n") { // an environment variable of one line
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	text = strings.TrimSpace(text) + "\n"
	signer, err := ssh.ParsePrivateKey([]byte(text))
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if s.Passphrase == "" {
			return nil, fault.New(fault.BadConfig, "setting \"ssh_tunnel.private_key\" is locked with a password").WithHint("set ssh_tunnel.private_key_password")
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(s.Passphrase))
	}
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "setting \"ssh_tunnel.private_key\" cannot be used").
			WithHint("it is a private key in PEM or OpenSSH form, with all its lines; ssh_tunnel.private_key_password unlocks it")
	}
	return signer, nil
}

// home resolves ~/ at the head of a path.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}
