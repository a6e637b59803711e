package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// AWS signs each request (AWS Signature Version 4).
func AWS(accessKey, secretKey, sessionToken, region, service string) Auth {
	return &amazon{v4.NewSigner(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: sessionToken}, region, service}
}

type amazon struct {
	signer          *v4.Signer
	as              aws.Credentials
	region, service string
}

func (a *amazon) Apply(ctx context.Context, r *http.Request) error {
	var body []byte
	if r.GetBody != nil {
		again, err := r.GetBody()
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(again); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(body)
	if err := a.signer.SignHTTP(ctx, a.as, r, hex.EncodeToString(sum[:]), a.service, a.region, time.Now()); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	return nil
}

// Renew says no: a signature that is refused would be refused again.
func (a *amazon) Renew(context.Context, *http.Request) (bool, error) { return false, nil }
