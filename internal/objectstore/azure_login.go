package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"elt/internal/fault"
)

const azureScope = "https://storage.azure.com/.default"

// azureLogin is the account that the environment speaks of, in the order of
// Azure's own DefaultAzureCredential: a service principal, workload identity,
// the machine's identity.
func azureLogin() (azcore.TokenCredential, error) {
	tenant, client := os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID")
	host := os.Getenv("AZURE_AUTHORITY_HOST")
	if host == "" {
		host = "https://login.microsoftonline.com"
	}
	c := clientcredentials.Config{ClientID: client, ClientSecret: os.Getenv("AZURE_CLIENT_SECRET"), Scopes: []string{azureScope},
		TokenURL: strings.TrimSuffix(host, "/") + "/" + tenant + "/oauth2/v2.0/token", AuthStyle: oauth2.AuthStyleInParams}
	file := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	switch {
	case tenant != "" && client != "" && c.ClientSecret != "":
		return azureTokens{oauth2.ReuseTokenSource(nil, tokenFunc(func() (*oauth2.Token, error) { return c.Token(context.Background()) }))}, nil
	case tenant != "" && client != "" && file != "":
		return azureTokens{oauth2.ReuseTokenSource(nil, tokenFunc(func() (*oauth2.Token, error) { return federated(c, file) }))}, nil
	}
	if tenant != "" && client != "" {
		return nil, fault.New(fault.BadConfig, "AZURE_TENANT_ID and AZURE_CLIENT_ID are set, but neither AZURE_CLIENT_SECRET nor AZURE_FEDERATED_TOKEN_FILE").WithKind(fault.KindSettings)
	}
	return azureTokens{oauth2.ReuseTokenSource(nil, tokenFunc(func() (*oauth2.Token, error) { return machineToken(client) }))}, nil
}

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

// azureTokens is an oauth2.TokenSource as Azure's library wants it.
type azureTokens struct{ of oauth2.TokenSource }

// GetToken implements azcore.TokenCredential.
func (t azureTokens) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.of.Token()
	if err != nil {
		return azcore.AccessToken{}, fault.Wrap(fault.BadConfig, err, "no login to Azure").WithKind(fault.KindAuth).
			WithHint("set azure_storage_key, azure_storage_sas_token, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET")
	}
	return azcore.AccessToken{Token: token.AccessToken, ExpiresOn: token.Expiry}, nil
}

// federated trades the token that Kubernetes wrote into a file, and renews there.
func federated(c clientcredentials.Config, file string) (*oauth2.Token, error) {
	assertion, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read AZURE_FEDERATED_TOKEN_FILE: %w", err)
	}
	c.EndpointParams = url.Values{"client_assertion": {strings.TrimSpace(string(assertion))},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	return c.Token(context.Background())
}

// machineToken asks the metadata service of a machine in Azure
// (learn.microsoft.com, "How to use managed identities on an Azure VM").
func machineToken(client string) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {"https://storage.azure.com/"}}
	if client != "" {
		query.Set("client_id", client)
	}
	ask, err := http.NewRequestWithContext(ctx, "GET", "http://169.254.169.254/metadata/identity/oauth2/token?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	ask.Header.Set("Metadata", "true")
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // by no proxy
	reply, err := direct.Do(ask)
	if err != nil {
		return nil, errors.New("this is no machine of Azure")
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresOn   string `json:"expires_on"`
	}
	if err := json.Unmarshal(text, &got); err != nil || reply.StatusCode != 200 {
		return nil, fmt.Errorf("the machine's identity gives no token: status %d", reply.StatusCode)
	}
	at, err := strconv.ParseInt(got.ExpiresOn, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the machine's token expires at %q", got.ExpiresOn)
	}
	return &oauth2.Token{AccessToken: got.AccessToken, Expiry: time.Unix(at, 0)}, nil
}
