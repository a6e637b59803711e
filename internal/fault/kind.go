package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Kind says in one word what stands in the way of a connector, for `elt test`
// and whoever else has to branch on it. The zero Kind says nothing.
type Kind string

const (
	KindSettings   Kind = "settings"   // a setting is missing or wrong
	KindDNS        Kind = "dns"        // the host's name has no address
	KindConnect    Kind = "connect"    // nobody answers at the address, or the connection breaks
	KindTLS        Kind = "tls"        // the certificate is not trusted, or there is no TLS
	KindAuth       Kind = "auth"       // the login is refused
	KindPermission Kind = "permission" // the login, or this process, may not do it
	KindPath       Kind = "path"       // there is nothing of that name: URL path, file, database, table
	KindShape      Kind = "shape"      // what is there does not look as it should
	KindLimit      Kind = "limit"      // too many requests, connections or bytes
	KindTimeout    Kind = "timeout"    // no answer in time
	KindServer     Kind = "server"     // the other side failed of itself
	KindOther      Kind = "other"
)

// KindOf classifies err: by the outermost *Error with a Kind or error with a
// FaultKind() Kind method, else by the cause itself (name server, TLS,
// network, SQLSTATE, file system), else by the exit code. It is "" for nil
// and KindOther for what it does not know.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	for _, classify := range []func(error) Kind{said, network, sqlState, file, late, byCode, broken} {
		if kind := find(err, classify); kind != "" {
			return kind
		}
	}
	return KindOther
}

// find asks classify of err and everything it wraps, outermost first.
func find(err error, classify func(error) Kind) Kind {
	if kind := classify(err); kind != "" {
		return kind
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return find(inner, classify)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if kind := find(inner, classify); kind != "" {
				return kind
			}
		}
	}
	return ""
}

func said(err error) Kind {
	switch e := err.(type) {
	case *Error:
		return e.Kind
	case interface{ FaultKind() Kind }:
		return e.FaultKind()
	}
	return ""
}

func network(err error) Kind {
	switch e := err.(type) {
	case *net.DNSError:
		return KindDNS
	case *tls.CertificateVerificationError, x509.UnknownAuthorityError, x509.HostnameError, x509.CertificateInvalidError,
		x509.SystemRootsError, tls.RecordHeaderError, tls.AlertError, *tls.ECHRejectionError:
		return KindTLS
	case syscall.Errno:
		switch e {
		case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
			syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL, syscall.EPIPE:
			return KindConnect
		case syscall.ETIMEDOUT:
			return KindTimeout
		}
	case *net.OpError:
		// A peer's alert comes as text only: the type is not exported.
		if strings.HasPrefix(e.Op, "remote error") {
			return KindTLS
		}
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") { // net/http has no value for it
		return KindTLS
	}
	return ""
}

// late comes after the causes that may be late themselves: a name server, say.
func late(err error) Kind {
	e, ok := err.(net.Error)
	if ok && e.Timeout() || err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded {
		return KindTimeout
	}
	return ""
}

// sqlState reads ISO 9075's code of an error that has one.
func sqlState(err error) Kind {
	e, ok := err.(interface{ SQLState() string })
	if !ok {
		return ""
	}
	switch code := e.SQLState(); {
	case strings.HasPrefix(code, "28"):
		return KindAuth
	case code == "42501", code == "25006": // 25006: a replica, or a read-only session
		return KindPermission
	case strings.HasPrefix(code, "3D"), strings.HasPrefix(code, "3F"), code == "42P01", code == "42S02", code == "42703":
		return KindPath
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"):
		return KindConnect
	case strings.HasPrefix(code, "53"):
		return KindLimit
	case code == "57014":
		return KindTimeout
	}
	return ""
}

func file(err error) Kind {
	switch {
	case err == fs.ErrNotExist, err == syscall.ENOENT, err == syscall.ENOTDIR, err == syscall.EISDIR:
		return KindPath
	case err == fs.ErrPermission, err == syscall.EACCES, err == syscall.EPERM, err == syscall.EROFS:
		return KindPermission
	case err == syscall.ENOSPC, err == syscall.EDQUOT:
		return KindLimit
	}
	return ""
}

func byCode(err error) Kind {
	e, ok := err.(*Error)
	if !ok {
		return ""
	}
	switch e.Code {
	case BadConfig:
		return KindSettings
	case BadInput:
		return KindShape
	case StoreAway:
		return KindConnect
	case PluginMissing:
		return KindPath
	}
	return ""
}

// broken comes last: a text that ends too soon may also be of the wrong shape.
func broken(err error) Kind {
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return KindConnect
	}
	return ""
}

// KindOfStatus classifies the status of an HTTP answer; "" for a success.
func KindOfStatus(status int) Kind {
	switch {
	case status < 400:
		return ""
	case status == 401, status == 407:
		return KindAuth
	case status == 403:
		return KindPermission
	case status == 404, status == 410, status == 405:
		return KindPath
	case status == 408, status == 504:
		return KindTimeout
	case status == 429:
		return KindLimit
	case status >= 500:
		return KindServer
	}
	return KindOther
}

// Advice is what a user can do about err: its own hint, else what its Kind
// and cause suggest. It may be "".
func Advice(err error) string {
	var e *Error
	if errors.As(err, &e) {
		if hint := e.hint(); hint != "" {
			return hint
		}
	}
	switch KindOf(err) {
	case KindDNS:
		return "check the host's spelling and this machine's name server"
	case KindConnect:
		return "check host and port, that the server runs, and that no firewall stands in between"
	case KindTLS:
		return tlsAdvice(err)
	case KindAuth:
		return "check user name, password, key or token"
	case KindPermission:
		return "grant it to the login that the settings name"
	case KindTimeout:
		return "a firewall that drops packets looks like this; so does a slow server: raise the time-out"
	case KindLimit:
		return "wait, or ask less at a time"
	case KindServer:
		return "try again later; its owner should know"
	}
	return ""
}

func tlsAdvice(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &host):
		if host.Certificate != nil && len(host.Certificate.DNSNames) > 0 {
			return fmt.Sprintf("the certificate is for %s: use that name", strings.Join(host.Certificate.DNSNames, ", "))
		}
		return "the certificate is for another name: use the name that it has"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("it is valid from %s to %s: have it renewed, or set this machine's clock",
			invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly))
	case errors.As(err, &unknown):
		return "if the authority is to be trusted, add its certificate to the system's, or name it in SSL_CERT_FILE"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response"):
		return "the server speaks no TLS at this port: check scheme and port"
	}
	return "check the server's certificate, and that both sides agree on TLS"
}
