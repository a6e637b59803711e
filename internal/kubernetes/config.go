package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"elt/internal/fault"
)

// Cluster is how an API server is reached.
type Cluster struct {
	Server    string // https://host:port
	Namespace string // of the context or the service account; may be ""
	Token     func() (string, error)
	TLS       *tls.Config
	InCluster bool
}

const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Find is the cluster that this process runs in, else the one of a kubeconfig
// file: path, or the first of $KUBECONFIG, or ~/.kube/config.
func Find(environ func(string) string, path, context string) (Cluster, error) {
	host, port := environ("KUBERNETES_SERVICE_HOST"), environ("KUBERNETES_SERVICE_PORT")
	if host != "" && path == "" {
		return inCluster(serviceAccount, net.JoinHostPort(host, port))
	}
	if path == "" {
		path, _, _ = strings.Cut(environ("KUBECONFIG"), string(os.PathListSeparator))
	}
	if path == "" {
		path = filepath.Join(environ("HOME"), ".kube", "config")
	}
	return kubeconfig(path, context)
}

func inCluster(dir, address string) (Cluster, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return Cluster{}, fault.Wrap(fault.Failed, err, "this pod has no service account to talk to Kubernetes").
			WithHint("set automountServiceAccountToken: true, and serviceAccountName, in the pod of the daemon")
	}
	namespace, _ := os.ReadFile(filepath.Join(dir, "namespace"))
	c := Cluster{Server: "https://" + address, Namespace: strings.TrimSpace(string(namespace)), InCluster: true, TLS: &tls.Config{RootCAs: x509.NewCertPool()},
		Token: fileToken(filepath.Join(dir, "token"))}
	if !c.TLS.RootCAs.AppendCertsFromPEM(ca) {
		return c, fault.New(fault.Failed, "%s/ca.crt is no certificate", dir)
	}
	return c, nil
}

// fileToken reads a token each time: Kubernetes replaces it every hour or so.
func fileToken(path string) func() (string, error) {
	return func() (string, error) {
		text, err := os.ReadFile(path)
		return strings.TrimSpace(string(text)), err
	}
}

// configFile is what we read of a kubeconfig.
type configFile struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster, User, Namespace string
		} `yaml:"context"`
	} `yaml:"contexts"`
	Clusters []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server     string `yaml:"server"`
			CA         string `yaml:"certificate-authority"`
			CAData     string `yaml:"certificate-authority-data"`
			ServerName string `yaml:"tls-server-name"`
			Insecure   bool   `yaml:"insecure-skip-tls-verify"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Token    string `yaml:"token"`
			File     string `yaml:"tokenFile"`
			Cert     string `yaml:"client-certificate"`
			CertData string `yaml:"client-certificate-data"`
			Key      string `yaml:"client-key"`
			KeyData  string `yaml:"client-key-data"`
			Exec     any    `yaml:"exec"`
			Provider any    `yaml:"auth-provider"`
		} `yaml:"user"`
	} `yaml:"users"`
}

func kubeconfig(path, context string) (c Cluster, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fault.Wrap(fault.Failed, err, "cannot read the kubeconfig %s", path).WithHint("set KUBECONFIG, or run the daemon in a pod")
	}
	var f configFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		return c, fault.New(fault.Failed, "%s is no kubeconfig", path).WithHint("kubectl config view shows how one looks")
	}
	if context == "" {
		context = f.Current
	}
	bad := func(format string, args ...any) error {
		return fault.New(fault.Failed, "%s: %s", path, fmt.Sprintf(format, args...)).WithHint("kubectl config get-contexts lists what is there")
	}
	cluster, user, found := "", "", false
	for _, x := range f.Contexts {
		if x.Name == context {
			cluster, user, c.Namespace, found = x.Context.Cluster, x.Context.User, x.Context.Namespace, true
		}
	}
	if !found {
		return c, bad("there is no context %q", context)
	}
	dir := filepath.Dir(path)
	c.TLS = &tls.Config{}
	for _, x := range f.Clusters {
		if x.Name != cluster {
			continue
		}
		c.Server, c.TLS.ServerName, c.TLS.InsecureSkipVerify = strings.TrimSuffix(x.Cluster.Server, "/"), x.Cluster.ServerName, x.Cluster.Insecure
		ca, err := fileOrData(dir, x.Cluster.CA, x.Cluster.CAData)
		if err != nil {
			return c, bad("cluster %s: %v", cluster, err)
		}
		if ca != nil {
			if c.TLS.RootCAs = x509.NewCertPool(); !c.TLS.RootCAs.AppendCertsFromPEM(ca) {
				return c, bad("cluster %s: its certificate-authority is no certificate", cluster)
			}
		}
	}
	if c.Server == "" {
		return c, bad("there is no server for cluster %q", cluster)
	}
	for _, x := range f.Users {
		if x.Name != user {
			continue
		}
		cert, err := fileOrData(dir, x.User.Cert, x.User.CertData)
		if err != nil {
			return c, bad("user %s: %v", user, err)
		}
		key, err := fileOrData(dir, x.User.Key, x.User.KeyData)
		if err != nil {
			return c, bad("user %s: %v", user, err)
		}
		switch {
		case x.User.Token != "":
			token := x.User.Token
			c.Token = func() (string, error) { return token, nil }
		case x.User.File != "":
			c.Token = fileToken(under(dir, x.User.File))
		case cert != nil:
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				return c, bad("user %s: its client certificate and key do not belong together", user)
			}
			c.TLS.Certificates = []tls.Certificate{pair}
		case x.User.Exec != nil || x.User.Provider != nil:
			return c, fault.New(fault.Failed, "%s: user %s logs in by a program, which elt does not start", path, user).
				WithHint("give the daemon a service account: kubectl create token NAME")
		}
	}
	return c, nil
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// fileOrData is the contents of a file, or of its base64 in the kubeconfig.
func fileOrData(dir, path, data string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case path != "":
		return os.ReadFile(under(dir, path))
	}
	return nil, nil
}

// client is an HTTP client for a cluster: whole answers take 30 s at most,
// what is followed may take for ever and is kept alive.
func (c Cluster) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: c.TLS, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}, MaxIdleConnsPerHost: 8,
	}}
}
