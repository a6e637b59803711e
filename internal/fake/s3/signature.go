package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check verifies a request's signature by the recipe of "Authenticating
// Requests: Using the Authorization Header (AWS Signature Version 4)".
func check(r *http.Request, body []byte) *failure {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "AWS4-HMAC-SHA256" {
		return &failure{403, "AccessDenied", "Access Denied"}
	}
	said := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		said[name] = value
	}
	scope := strings.Split(said["Credential"], "/") // key/date/region/s3/aws4_request
	if len(scope) != 5 || scope[3] != "s3" || scope[4] != "aws4_request" {
		return &failure{400, "AuthorizationHeaderMalformed", "The authorization header is malformed."}
	}
	switch {
	case scope[0] != Key:
		return &failure{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	case scope[2] != Region:
		return &failure{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region '" + scope[2] + "' is wrong; expecting '" + Region + "'"}
	case r.Header.Get("X-Amz-Security-Token") == Expired:
		return &failure{400, "ExpiredToken", "The provided token has expired."}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 15*time.Minute {
		return &failure{403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if sum := sha256.Sum256(body); payload != "UNSIGNED-PAYLOAD" && payload != hex.EncodeToString(sum[:]) {
		return &failure{400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	names := strings.Split(said["SignedHeaders"], ";")
	for name := range r.Header { // S3 wants all of its own headers signed
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(names, lower) {
			return &failure{403, "AccessDenied", "There were headers present in the request which were not signed"}
		}
	}
	sum := sha256.Sum256([]byte(canonical(r, names, payload)))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + Secret)
	for _, part := range append(scope[1:], text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(said["Signature"])) != 1 {
		return &failure{403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."}
	}
	return nil
}

func canonical(r *http.Request, names []string, payload string) string {
	lines := []string{r.Method, escape(r.URL.Path, true)}
	var query []string
	for name, values := range r.URL.Query() {
		for _, value := range values {
			query = append(query, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(query)
	lines = append(lines, strings.Join(query, "&"))
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		lines = append(lines, name+":"+strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(append(lines, "", strings.Join(names, ";"), payload), "\n")
}

// escape is AWS's UriEncode.
func escape(text string, path bool) string {
	out := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	out = strings.ReplaceAll(out, "%7E", "~")
	if path {
		out = strings.ReplaceAll(out, "%2F", "/")
	}
	return out
}
