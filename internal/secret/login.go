package secret

import (
	"regexp"
	"sync"
)

// login is a name and a password in an address: scheme://user:password@host.
var login = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/\s:@"]*):[^/\s@"]+@`) })

// WithoutLogin masks the passwords in the addresses of a text.
func WithoutLogin(text string) string { return login().ReplaceAllString(text, "$1:***@") }
