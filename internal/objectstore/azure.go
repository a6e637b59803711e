package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"elt/internal/fault"
)

// azureToken is tokenKey; names of metadata have no dash there.
const azureToken = "elttoken"

// azureStore is a container of Azure Blob Storage.
type azureStore struct {
	connections
	name   string
	client *container.Client
	// once makes one attempt: the library takes a body back to its start while
	// the connection that failed may still be reading it, so what has a body
	// is tried again here, with a body of its own each time.
	once *container.Client
}

// again makes attempts until one is answered for good.
func (s *azureStore) again(ctx context.Context, attempt func() error) error {
	for n := 1; ; n++ {
		err := attempt()
		var said *azcore.ResponseError
		passing := !errors.As(err, &said) || said.StatusCode == 408 || said.StatusCode == 429 || said.StatusCode >= 500
		if err == nil || ctx.Err() != nil || n >= attempts || !passing {
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

func openAzure(name string, a Access) (Store, error) {
	open := newConnections()
	options := func(retries int32) *container.ClientOptions {
		return &container.ClientOptions{ClientOptions: policy.ClientOptions{Transport: open.client(), Retry: policy.RetryOptions{
			MaxRetries: retries, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: 5 * time.Second}}}
	}
	account := cmp.Or(a.AzureAccount, os.Getenv("AZURE_STORAGE_ACCOUNT"))
	key := cmp.Or(a.AzureKey, os.Getenv("AZURE_STORAGE_KEY"))
	sas := strings.TrimPrefix(cmp.Or(a.AzureSAS, os.Getenv("AZURE_STORAGE_SAS_TOKEN")), "?")
	whole := a.AzureConnection
	if whole == "" && key == "" && sas == "" {
		whole = os.Getenv("AZURE_STORAGE_CONNECTION_STRING")
	}
	s := &azureStore{connections: open, name: name}
	var connect func(*container.ClientOptions) (*container.Client, error)
	at := strings.TrimSuffix(cmp.Or(a.AzureEndpoint, "https://"+account+".blob.core.windows.net"), "/") + "/" + name
	switch {
	case whole != "":
		connect = func(o *container.ClientOptions) (*container.Client, error) {
			c, err := container.NewClientFromConnectionString(whole, name, o)
			if err != nil { // which may show parts of it
				return nil, fault.New(fault.BadConfig, "azure_storage_connection_string cannot be read").WithKind(fault.KindSettings)
			}
			return c, nil
		}
	case account == "":
		return nil, fault.New(fault.BadConfig, "az://%s: no storage account is set", name).WithKind(fault.KindSettings).WithHint("set azure_storage_account")
	case key != "":
		shared, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, fault.New(fault.BadConfig, "azure_storage_key is not what Azure shows as a key").WithKind(fault.KindSettings)
		}
		connect = func(o *container.ClientOptions) (*container.Client, error) {
			return container.NewClientWithSharedKeyCredential(at, shared, o)
		}
	case sas != "":
		connect = func(o *container.ClientOptions) (*container.Client, error) {
			return container.NewClientWithNoCredential(at+"?"+sas, o)
		}
	default:
		login, err := azureLogin()
		if err != nil {
			return nil, err
		}
		connect = func(o *container.ClientOptions) (*container.Client, error) { return container.NewClient(at, login, o) }
	}
	var err, onceErr error
	s.client, err = connect(options(attempts - 1))
	s.once, onceErr = connect(options(-1))
	if err = cmp.Or(err, onceErr); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *azureStore) List(ctx context.Context, prefix string, each func(Object) error) error {
	pages := s.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.explain(err, "list", prefix)
		}
		for _, b := range page.Segment.BlobItems {
			o := Object{Key: *b.Name, Size: *b.Properties.ContentLength, Modified: *b.Properties.LastModified, Version: tag(*b.Properties.ETag)}
			if err := each(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// tag is an ETag with its quotes, which lists leave out.
func tag(t azcore.ETag) string { return `"` + strings.Trim(string(t), `"`) + `"` }

func (s *azureStore) Stat(ctx context.Context, key string) (Object, error) {
	about, err := s.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return Object{}, s.explain(err, "look at", key)
	}
	o := Object{Key: key, Size: *about.ContentLength, Modified: *about.LastModified, Version: tag(*about.ETag)}
	for name, value := range about.Metadata { // the case of names is not kept
		if strings.EqualFold(name, azureToken) {
			o.Token = *value
		}
	}
	return o, nil
}

// condition is that a blob has a version, or "": that there is none.
func condition(was string) *blob.AccessConditions {
	if was == "" {
		return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
	}
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(was))}}
}

func (s *azureStore) Open(ctx context.Context, key, version string, from, end int64) (io.ReadCloser, error) {
	options := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: from}}
	if end >= 0 {
		options.Range.Count = end - from
	}
	if version != "" {
		options.AccessConditions = condition(version)
	}
	out, err := s.client.NewBlobClient(key).DownloadStream(ctx, options)
	if err != nil {
		return nil, s.explain(err, "read", key)
	}
	return out.Body, nil
}

func (s *azureStore) Put(ctx context.Context, key string, data []byte, was string) (string, error) {
	var out blockblob.UploadResponse
	err := s.again(ctx, func() (err error) {
		out, err = s.once.NewBlockBlobClient(key).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{AccessConditions: condition(was)})
		return err
	})
	if err != nil {
		return "", s.explain(err, "write", key)
	}
	return tag(*out.ETag), nil
}

// Stage sends blocks. Those that are never committed, Azure deletes after a week.
func (s *azureStore) Stage(ctx context.Context, key, token string, fresh bool, data io.ReaderAt, size int64) (*Staged, error) {
	client := s.once.NewBlockBlobClient(key)
	staged := &Staged{Key: key, Token: token, fresh: fresh, size: size}
	if size == 0 {
		return staged, nil
	}
	var err error
	staged.parts, err = inParts(ctx, data, size, func(ctx context.Context, n int, part *io.SectionReader) (string, error) {
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%.40s-%06d", token, n)) // all as long
		return id, s.again(ctx, func() error {
			_, err := client.StageBlock(ctx, id, streaming.NopCloser(io.NewSectionReader(part, 0, part.Size())), nil)
			return err
		})
	})
	if err != nil {
		return nil, s.explain(err, "write", key)
	}
	return staged, nil
}

// Publish may be made again: blocks that are committed stay so.
func (s *azureStore) Publish(ctx context.Context, staged *Staged) error {
	options := &blockblob.CommitBlockListOptions{Metadata: map[string]*string{azureToken: &staged.Token}}
	if staged.fresh {
		options.AccessConditions = condition("")
	}
	err := s.again(ctx, func() error {
		_, err := s.once.NewBlockBlobClient(staged.Key).CommitBlockList(ctx, staged.parts, options)
		return err
	})
	// The reply of an attempt that succeeded may have been lost.
	if err != nil && ctx.Err() == nil {
		if there, statErr := s.Stat(ctx, staged.Key); statErr == nil && there.Token == staged.Token {
			return nil
		}
	}
	return s.explain(err, "complete", staged.Key)
}

// Cancel does nothing: blocks have no handle to drop them by.
func (s *azureStore) Cancel(context.Context, *Staged) error { return nil }

func (s *azureStore) Remove(ctx context.Context, key string) error {
	_, err := s.client.NewBlobClient(key).Delete(ctx, nil)
	if err = s.explain(err, "delete", key); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// explain names what a user can mend.
func (s *azureStore) explain(err error, did, key string) error {
	if err == nil {
		return nil
	}
	what := did + " az://" + s.name + "/" + key
	var said *azcore.ResponseError
	if !errors.As(err, &said) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case said.ErrorCode == "ContainerNotFound":
		return fault.New(fault.BadConfig, "%s: there is no container %q", what, s.name).WithKind(fault.KindPath)
	case said.StatusCode == 404:
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case said.StatusCode == 412, said.ErrorCode == "BlobAlreadyExists":
		return fmt.Errorf("%s: %w", what, ErrChanged)
	case said.ErrorCode == "AuthenticationFailed", said.ErrorCode == "InvalidAuthenticationInfo", said.StatusCode == 401:
		return fault.New(fault.BadConfig, "%s: the login is refused or has expired (%s)", what, said.ErrorCode).WithKind(fault.KindAuth).WithHint("check azure_storage_account and its key or SAS token, and this machine's clock")
	case said.StatusCode == 403:
		return fault.New(fault.BadConfig, "%s: access is denied (%s)", what, said.ErrorCode).WithKind(fault.KindPermission).WithHint("reading wants the role Storage Blob Data Reader, writing Storage Blob Data Contributor; does a firewall of the account stand between?")
	}
	return fmt.Errorf("%s: status %d, %s", what, said.StatusCode, said.ErrorCode)
}
