package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// unwrap takes the file's key out of the metadata: AES-ECB under the stage's
// master key.
func unwrap(encryption, matdesc string, master []byte) (key, iv []byte, err error) {
	var meta struct {
		WrappedContentKey   struct{ EncryptedKey string }
		ContentEncryptionIV string
	}
	if err := json.Unmarshal([]byte(encryption), &meta); err != nil {
		return nil, nil, fmt.Errorf("encryptiondata: %w", err)
	}
	var desc struct{ SmkID, QueryID, KeySize string }
	if err := json.Unmarshal([]byte(matdesc), &desc); err != nil {
		return nil, nil, fmt.Errorf("matdesc: %w", err)
	}
	if desc.KeySize != fmt.Sprint(len(master)*8) {
		return nil, nil, fmt.Errorf("matdesc: key size %q where the master key has %d bits", desc.KeySize, len(master)*8)
	}
	wrapped, err := base64.StdEncoding.DecodeString(meta.WrappedContentKey.EncryptedKey)
	if err != nil {
		return nil, nil, err
	}
	if iv, err = base64.StdEncoding.DecodeString(meta.ContentEncryptionIV); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, nil, err
	}
	if len(wrapped) == 0 || len(wrapped)%16 != 0 || len(iv) != 16 {
		return nil, nil, errors.New("encryptiondata: wrong length of key or vector")
	}
	for i := 0; i < len(wrapped); i += 16 {
		block.Decrypt(wrapped[i:i+16], wrapped[i:i+16])
	}
	n := int(wrapped[len(wrapped)-1])
	if n < 1 || n > 16 || len(wrapped)-n != len(master) {
		return nil, nil, errors.New("encryptiondata: the wrapped key does not unwrap with the stage's master key")
	}
	return wrapped[:len(wrapped)-n], iv, nil
}

// open reads a file's plain bytes, still compressed if they were.
func (f *stagedFile) open() (io.ReadCloser, error) {
	disk, err := os.Open(f.disk)
	if err != nil || f.fileKey == nil {
		return disk, err
	}
	block, err := aes.NewCipher(f.fileKey)
	if err != nil {
		disk.Close()
		return nil, err
	}
	return &decrypting{disk: disk, left: f.size, mode: cipher.NewCBCDecrypter(block, f.iv), sum: sha256.New(), want: f.digest, name: f.name}, nil
}

// decrypting is a stream of decrypted bytes which checks the digest at its end.
type decrypting struct {
	disk *os.File
	left int64
	mode cipher.BlockMode
	sum  hash.Hash
	want string
	name string
	buf  [64 << 10]byte
	out  []byte
}

// emptyDigest is what the driver sends for a PUT from a stream, whose content
// it does not digest.
var emptyDigest = base64.StdEncoding.EncodeToString(sha256.New().Sum(nil))

func (d *decrypting) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.left == 0 {
			if got := base64.StdEncoding.EncodeToString(d.sum.Sum(nil)); got != d.want && d.want != emptyDigest {
				return 0, fmt.Errorf("fake: file %s decrypts to bytes whose SHA-256 is %s, its sfc-digest is %s", d.name, got, d.want)
			}
			return 0, io.EOF
		}
		n := min(int64(len(d.buf)), d.left)
		if _, err := io.ReadFull(d.disk, d.buf[:n]); err != nil {
			return 0, err
		}
		if n%16 != 0 {
			return 0, fmt.Errorf("fake: file %s is no whole number of cipher blocks", d.name)
		}
		d.left -= n
		d.mode.CryptBlocks(d.buf[:n], d.buf[:n])
		d.out = d.buf[:n]
		if d.left == 0 {
			padding := int(d.out[n-1])
			if padding < 1 || padding > 16 {
				return 0, fmt.Errorf("fake: file %s has wrong padding", d.name)
			}
			d.out = d.out[:int(n)-padding]
		}
		d.sum.Write(d.out)
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *decrypting) Close() error { return d.disk.Close() }
