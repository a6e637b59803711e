package objectstore

import "elt/internal/spec"

// Access is how a bucket is reached, as settings; what is empty comes from
// where each vendor's own tools look.
type Access struct {
	AWSKey      string `json:"aws_access_key_id"`
	AWSSecret   string `json:"aws_secret_access_key"`
	AWSToken    string `json:"aws_session_token"`
	AWSProfile  string `json:"aws_profile"`
	AWSRegion   string `json:"aws_region"`
	AWSEndpoint string `json:"aws_endpoint_url"`
	AWSPath     bool   `json:"aws_path_style"`

	GCSCredentials string `json:"gcs_credentials"`
	GCSEndpoint    string `json:"gcs_endpoint"`

	AzureAccount    string `json:"azure_storage_account"`
	AzureKey        string `json:"azure_storage_key"`
	AzureSAS        string `json:"azure_storage_sas_token"`
	AzureConnection string `json:"azure_storage_connection_string"`
	AzureEndpoint   string `json:"azure_storage_endpoint"`
}

// Settings are what a connector offers for Access.
func Settings() []spec.Setting {
	return []spec.Setting{
		{Name: "aws_access_key_id", Type: spec.String, Example: "$AWS_ACCESS_KEY_ID", Help: "For s3://; without it the AWS SDK's chain: AWS_* variables, profiles, SSO, web identity, the container's or machine's role."},
		{Name: "aws_secret_access_key", Type: spec.String, Secret: true, Example: "$AWS_SECRET_ACCESS_KEY", Help: "Goes with aws_access_key_id."},
		{Name: "aws_session_token", Type: spec.String, Secret: true, Example: "$AWS_SESSION_TOKEN", Help: "Goes with temporary keys."},
		{Name: "aws_profile", Type: spec.String, Example: "etl", Help: "A profile of ~/.aws/config."},
		{Name: "aws_region", Type: spec.String, Example: "eu-central-1", Help: "The bucket's region; AWS_REGION or the profile's when it is not set, else us-east-1."},
		{Name: "aws_endpoint_url", Type: spec.String, Aliases: []string{"s3_endpoint_url"}, Example: "http://minio:9000", Help: "The address of a service that speaks S3: MinIO, Ceph, R2; asked with paths (aws_path_style)."},
		{Name: "aws_path_style", Type: spec.Boolean, Default: false, Example: "true", Help: "Puts the bucket into the path of requests, not the host name; always so with aws_endpoint_url."},
		{Name: "gcs_credentials", Type: spec.String, Secret: true, Example: "/run/secrets/gcs.json", Help: "For gs://: a service account's JSON, or a path to it; without it GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, the machine's account."},
		{Name: "gcs_endpoint", Type: spec.String, Example: "http://gcs:4443", Help: "The address of a service that speaks Cloud Storage's JSON API; STORAGE_EMULATOR_HOST when it is not set."},
		{Name: "azure_storage_account", Type: spec.String, Example: "lake", Help: "For az://container: the account; AZURE_STORAGE_ACCOUNT when it is not set."},
		{Name: "azure_storage_key", Type: spec.String, Secret: true, Example: "$AZURE_STORAGE_KEY", Help: "The account's key; AZURE_STORAGE_KEY when it is not set. Without key, SAS token and connection string: a service principal (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), workload identity (AZURE_FEDERATED_TOKEN_FILE), the machine's identity."},
		{Name: "azure_storage_sas_token", Type: spec.String, Secret: true, Example: "$AZURE_STORAGE_SAS_TOKEN", Help: "A shared access signature; AZURE_STORAGE_SAS_TOKEN when it is not set."},
		{Name: "azure_storage_connection_string", Type: spec.String, Secret: true, Example: "$AZURE_STORAGE_CONNECTION_STRING", Help: "All of it in one text; AZURE_STORAGE_CONNECTION_STRING when it is not set."},
		{Name: "azure_storage_endpoint", Type: spec.String, Example: "http://azurite:10000/devstoreaccount1", Help: "The address of the blob service, where it is not https://ACCOUNT.blob.core.windows.net."},
	}
}
