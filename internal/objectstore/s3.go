package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"elt/internal/fault"
)

// tokenKey is the metadata of an object that Staged.Token stands in.
const tokenKey = "elt-token"

// s3Store is a bucket of S3, or of a service that speaks it.
type s3Store struct {
	connections
	bucket string
	client *s3.Client
}

func openS3(ctx context.Context, bucket string, a Access) (Store, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.Backoff = retry.BackoffDelayerFunc(func(n int, _ error) (time.Duration, error) { return delay(n), nil })
			})
		}),
	}
	if a.AWSProfile != "" {
		options = append(options, config.WithSharedConfigProfile(a.AWSProfile))
	}
	if a.AWSRegion != "" {
		options = append(options, config.WithRegion(a.AWSRegion))
	}
	if a.AWSKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(a.AWSKey, a.AWSSecret, a.AWSToken)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "the settings of AWS cannot be read")
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	open := newConnections()
	if own, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok { // with the certificates of AWS_CA_BUNDLE
		open = connections{own.GetTransport()}
		open.MaxIdleConnsPerHost = idle
	}
	return &s3Store{open, bucket, s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = open.client()
		o.UsePathStyle = a.AWSPath || a.AWSEndpoint != "" || cfg.BaseEndpoint != nil
		if a.AWSEndpoint != "" {
			o.BaseEndpoint = aws.String(a.AWSEndpoint)
		}
	})}, nil
}

func (s *s3Store) List(ctx context.Context, prefix string, each func(Object) error) error {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.explain(err, "list", prefix)
		}
		for _, o := range page.Contents {
			if err := each(Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), Version: aws.ToString(o.ETag)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *s3Store) Stat(ctx context.Context, key string) (Object, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return Object{}, s.explain(err, "look at", key)
	}
	return Object{Key: key, Size: aws.ToInt64(head.ContentLength), Modified: aws.ToTime(head.LastModified),
		Version: aws.ToString(head.ETag), Token: head.Metadata[tokenKey]}, nil
}

func (s *s3Store) Open(ctx context.Context, key, version string, from, to int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if version != "" {
		in.IfMatch = &version
	}
	if span := byteRange(from, to); span != "" {
		in.Range = &span
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, s.explain(err, "read", key)
	}
	return out.Body, nil
}

// byteRange is the header Range for bytes [from, to).
func byteRange(from, to int64) string {
	switch {
	case to >= 0:
		return fmt.Sprintf("bytes=%d-%d", from, to-1)
	case from > 0:
		return fmt.Sprintf("bytes=%d-", from)
	}
	return ""
}

// unless are the headers by which a write has a condition; this release of
// the SDK has no fields for them.
func unless(was string) func(*s3.Options) {
	if was == "" {
		return s3.WithAPIOptions(smithyhttp.SetHeaderValue("If-None-Match", "*"))
	}
	return s3.WithAPIOptions(smithyhttp.SetHeaderValue("If-Match", was))
}

func (s *s3Store) Put(ctx context.Context, key string, data []byte, was string) (string, error) {
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(data)}, unless(was))
	if err != nil {
		return "", s.explain(err, "write", key)
	}
	return aws.ToString(out.ETag), nil
}

func (s *s3Store) Stage(ctx context.Context, key, token string, fresh bool, data io.ReaderAt, size int64) (*Staged, error) {
	made, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key, Metadata: map[string]string{tokenKey: token}})
	if err != nil {
		return nil, s.explain(err, "write", key)
	}
	staged := &Staged{Key: key, Token: token, Upload: aws.ToString(made.UploadId), fresh: fresh, size: size}
	staged.parts, err = inParts(ctx, data, size, func(ctx context.Context, n int, part *io.SectionReader) (string, error) {
		number := int32(n + 1)
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &s.bucket, Key: &key, UploadId: made.UploadId,
			PartNumber: &number, Body: part, ContentLength: aws.Int64(part.Size())})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.ETag), nil
	})
	if err != nil {
		return nil, errors.Join(s.explain(err, "write", key), s.Cancel(context.WithoutCancel(ctx), staged))
	}
	return staged, nil
}

func (s *s3Store) Publish(ctx context.Context, staged *Staged) error {
	all := &types.CompletedMultipartUpload{}
	for n, tag := range staged.parts {
		number := int32(n + 1)
		all.Parts = append(all.Parts, types.CompletedPart{PartNumber: &number, ETag: aws.String(tag)})
	}
	var options []func(*s3.Options)
	if staged.fresh {
		options = append(options, unless(""))
	}
	_, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &s.bucket, Key: &staged.Key, UploadId: &staged.Upload, MultipartUpload: all}, options...)
	// The reply of an attempt that succeeded may have been lost.
	if err != nil && ctx.Err() == nil {
		if there, statErr := s.Stat(ctx, staged.Key); statErr == nil && there.Token == staged.Token {
			return nil
		}
	}
	return s.explain(err, "complete", staged.Key)
}

func (s *s3Store) Cancel(ctx context.Context, staged *Staged) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &staged.Key, UploadId: &staged.Upload})
	if code(err) == "NoSuchUpload" {
		return nil
	}
	return s.explain(err, "cancel the upload of", staged.Key)
}

func (s *s3Store) Remove(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	return s.explain(err, "delete", key)
}

// code is S3's word for an error, "" for others.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// explain names what a user can mend.
func (s *s3Store) explain(err error, did, key string) error {
	if err == nil {
		return nil
	}
	what := did + " s3://" + s.bucket + "/" + key
	var reply *smithyhttp.ResponseError
	status := 0
	var region string
	if errors.As(err, &reply) {
		status = reply.HTTPStatusCode()
		region = reply.HTTPResponse().Header.Get("X-Amz-Bucket-Region")
	}
	switch name := code(err); {
	case name == "NoSuchBucket":
		return fault.New(fault.BadConfig, "%s: there is no bucket %q", what, s.bucket).WithKind(fault.KindPath)
	case name == "NoSuchKey", status == 404 && name != "NoSuchUpload":
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case name == "PreconditionFailed", name == "ConditionalRequestConflict", status == 412:
		return fmt.Errorf("%s: %w", what, ErrChanged)
	case name == "PermanentRedirect", name == "AuthorizationHeaderMalformed", name == "IllegalLocationConstraintException", status == 301:
		e := fault.Wrap(fault.BadConfig, bare(err), "%s: the bucket is in another region than %s", what, s.client.Options().Region).WithKind(fault.KindSettings)
		if region != "" {
			return e.WithHint("set aws_region: %s", region)
		}
		return e.WithHint("set aws_region")
	case name == "ExpiredToken", name == "ExpiredTokenException", name == "TokenRefreshRequired":
		return fault.New(fault.BadConfig, "%s: the credentials have expired", what).WithKind(fault.KindAuth).WithHint("log in again (aws sso login), or set keys that last")
	case name == "InvalidAccessKeyId", name == "SignatureDoesNotMatch", name == "InvalidToken":
		return fault.Wrap(fault.BadConfig, bare(err), "%s: the login is refused", what).WithKind(fault.KindAuth).WithHint("check aws_access_key_id and aws_secret_access_key, and this machine's clock")
	case name == "AccessDenied", status == 403:
		return fault.New(fault.BadConfig, "%s: access is denied", what).WithKind(fault.KindPermission).WithHint("reading wants s3:ListBucket and s3:GetObject, writing also s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload")
	case strings.Contains(err.Error(), "failed to retrieve credentials"), strings.Contains(err.Error(), "get credentials"), strings.Contains(err.Error(), "failed to refresh cached credentials"):
		return fault.Wrap(fault.BadConfig, err, "%s: no credentials of AWS were found", what).WithKind(fault.KindAuth).WithHint("set aws_access_key_id and aws_secret_access_key, AWS_* variables, aws_profile, or a role")
	}
	return fmt.Errorf("%s: %w", what, err)
}

// bare is S3's own sentence without the SDK's preamble.
func bare(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err
}
