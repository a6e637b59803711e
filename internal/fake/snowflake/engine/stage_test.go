package engine_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"elt/internal/fake/snowflake/engine"
)

// seal encrypts as a client does: content by AES-CBC under a file key, which
// AES-ECB wraps under the stage's master key.
func seal(t *testing.T, master, plain []byte) (body []byte, encryption, matdesc string) {
	t.Helper()
	pad := func(b []byte) []byte {
		n := 16 - len(b)%16
		return append(append([]byte{}, b...), bytes.Repeat([]byte{byte(n)}, n)...)
	}
	key, iv := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	block, _ := aes.NewCipher(key)
	body = pad(plain)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, body)
	outer, err := aes.NewCipher(master)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := pad(key)
	for i := 0; i < len(wrapped); i += 16 {
		outer.Encrypt(wrapped[i:i+16], wrapped[i:i+16])
	}
	b64 := base64.StdEncoding.EncodeToString
	return body, fmt.Sprintf(`{"WrappedContentKey":{"EncryptedKey":%q},"ContentEncryptionIV":%q}`, b64(wrapped), b64(iv)), `{"smkId":"1","queryId":"q","keySize":"128"}`
}

// A file that was sealed under another key, or whose bytes are not those of
// its digest, is never loaded.
func TestStagedFilesAreVerified(t *testing.T) {
	s := session(t)
	do := func(text string) (*engine.Result, error) {
		r, err := s.Execute(context.Background(), engine.Request{Text: text})
		if err != nil {
			return nil, err
		}
		return r[0], nil
	}
	for _, text := range []string{"CREATE TABLE t (a INT)", "CREATE STAGE st"} {
		if _, err := do(text); err != nil {
			t.Fatal(err)
		}
	}
	r, err := do("PUT file:///a.csv @st AUTO_COMPRESS=FALSE")
	if err != nil {
		t.Fatal(err)
	}
	master, _ := base64.StdEncoding.DecodeString(r.Put.Key)
	plain := []byte("1\n2\n")
	sum := sha256.Sum256(plain)
	digest := base64.StdEncoding.EncodeToString(sum[:])
	body, encryption, matdesc := seal(t, []byte("another key here"), plain)
	if err := r.Put.Store("a.csv", bytes.NewReader(body), digest, encryption, matdesc); err == nil {
		t.Fatal("a file under another key was taken")
	}
	body, encryption, matdesc = seal(t, master, plain)
	if err := r.Put.Store("a.csv", bytes.NewReader(body), strings.ToUpper(digest), encryption, matdesc); err != nil {
		t.Fatal(err)
	}
	if _, err := do("COPY INTO t FROM @st"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Fatalf("a wrong digest gave %v", err)
	}
	if err := r.Put.Store("a.csv", bytes.NewReader(body), digest, encryption, matdesc); err != nil {
		t.Fatal(err)
	}
	if _, err := do("COPY INTO t FROM @st"); err != nil {
		t.Fatal(err)
	}
	if got, _ := run(s, "SELECT SUM(a) FROM t"); got != "3" {
		t.Fatal(got)
	}
}
