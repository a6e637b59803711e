package sshtunnel

import (
	"crypto/ed25519"
	"errors"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"elt/internal/fault"
)

// anyKey as host_key trusts whoever answers.
const anyKey = "any"

// hostKey is how the bastion's key is checked, and the algorithms to ask it
// for: a host has several keys, of which the user may know one. nil asks for
// all.
func (s Settings) hostKey(address string) (ssh.HostKeyCallback, []string, error) {
	switch text := strings.TrimSpace(s.HostKey); {
	case text == anyKey:
		return ssh.InsecureIgnoreHostKey(), nil, nil
	case strings.HasPrefix(text, "SHA256:"):
		return func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if is := ssh.FingerprintSHA256(key); strings.TrimRight(text, "=") != is {
				return s.stranger(address, key, "ssh_tunnel.host_key says "+text)
			}
			return nil
		}, nil, nil
	case text != "":
		want, err := publicKey(text)
		if err != nil {
			return nil, nil, fault.New(fault.BadConfig, "setting \"ssh_tunnel.host_key\" is no public key").
				WithHint("it looks like ssh-ed25519 AAAA…, as ssh-keyscan %s prints it, or like SHA256:…", s.Host)
		}
		return func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) != string(want.Marshal()) {
				return s.stranger(address, key, "ssh_tunnel.host_key says "+ssh.FingerprintSHA256(want))
			}
			return nil
		}, algorithms(want.Type()), nil
	}
	return s.known(address)
}

// known asks the file of known hosts.
func (s Settings) known(address string) (ssh.HostKeyCallback, []string, error) {
	path := home(s.KnownHosts)
	ask, err := knownhosts.New(path)
	switch {
	case errors.Is(err, os.ErrNotExist), path == "":
		return func(_ string, _ net.Addr, key ssh.PublicKey) error {
			return s.stranger(address, key, "no key of it is known")
		}, nil, nil
	case err != nil:
		return nil, nil, fault.Wrap(fault.BadConfig, err, "setting \"ssh_tunnel.known_hosts\": the file cannot be read")
	}
	var wanted []string
	if probe, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))); err == nil { // a key that is in no file shows those that are
		var unknown *knownhosts.KeyError
		if errors.As(ask(address, &net.TCPAddr{}, probe), &unknown) {
			for _, k := range unknown.Want {
				for _, a := range algorithms(k.Key.Type()) {
					if !slices.Contains(wanted, a) {
						wanted = append(wanted, a)
					}
				}
			}
		}
	}
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := ask(host, remote, key)
		var unknown *knownhosts.KeyError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &unknown) && len(unknown.Want) == 0:
			return s.stranger(address, key, path+" knows no key of it")
		case errors.As(err, &unknown):
			return s.stranger(address, key, path+" knows another")
		}
		return fault.Wrap(fault.Failed, err, "the key of the bastion host %s is refused", address).WithKind(fault.KindTLS)
	}, wanted, nil
}

func (s Settings) stranger(address string, key ssh.PublicKey, why string) error {
	return fault.New(fault.Failed, "the bastion host %s shows the key %s (%s), but %s", address, ssh.FingerprintSHA256(key), key.Type(), why).WithKind(fault.KindTLS).
		WithHint("if that is its key (ask who runs it), set ssh_tunnel.host_key to the fingerprint, or add it to known_hosts; any other key means that somebody stands in between")
}

// publicKey reads a key as authorized_keys has it, or with the host before it
// as known_hosts does.
func publicKey(text string) (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		_, _, key, _, _, err = ssh.ParseKnownHosts([]byte(text))
	}
	return key, err
}

// algorithms are the signatures that a key of a type makes.
func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}
