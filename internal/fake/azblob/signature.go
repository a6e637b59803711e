package azblob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signed verifies a request by the recipe of "Authorize with Shared Key".
func signed(r *http.Request, length int) bool {
	said, ok := strings.CutPrefix(r.Header.Get("Authorization"), "SharedKey "+Account+":")
	at, err := http.ParseTime(r.Header.Get("X-Ms-Date"))
	if !ok || err != nil || time.Since(at).Abs() > 15*time.Minute || r.Header.Get("X-Ms-Version") == "" {
		return false
	}
	size := ""
	if length > 0 {
		size = strconv.Itoa(length)
	}
	lines := []string{r.Method, r.Header.Get("Content-Encoding"), r.Header.Get("Content-Language"), size, r.Header.Get("Content-Md5"),
		r.Header.Get("Content-Type"), "", r.Header.Get("If-Modified-Since"), r.Header.Get("If-Match"), r.Header.Get("If-None-Match"),
		r.Header.Get("If-Unmodified-Since"), r.Header.Get("Range")}
	var own []string
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			own = append(own, lower+":"+strings.Join(values, ","))
		}
	}
	slices.SortFunc(own, func(a, b string) int {
		x, _, _ := strings.Cut(a, ":")
		y, _, _ := strings.Cut(b, ":")
		return strings.Compare(x, y)
	})
	lines = append(lines, own...)
	resource := "/" + Account + r.URL.EscapedPath()
	query := r.URL.Query()
	var names []string
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := query[name]
		slices.Sort(values)
		resource += "\n" + strings.ToLower(name) + ":" + strings.Join(values, ",")
	}
	key, err := base64.StdEncoding.DecodeString(Key)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(append(lines, resource), "\n")))
	return hmac.Equal([]byte(base64.StdEncoding.EncodeToString(mac.Sum(nil))), []byte(said))
}
