package samegate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLSFiles reads files in PEM format: the certificates of authorities, and the certificate of this
// client with its private key. Names may be empty: by default the system's authorities count, and
// the client has no certificate. Certificate and key are read again for each connection, so that
// they can be renewed.
func TLSFiles(authorities, certificate, key string) (*tls.Config, error) {
	config := &tls.Config{}
	if authorities != "" {
		pem, err := os.ReadFile(authorities)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in PEM format", authorities)
		}
	}
	if certificate != "" {
		read := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key)
			return &pair, err
		}
		if _, err := read(nil); err != nil {
			return nil, err
		}
		config.GetClientCertificate = read
	}
	return config, nil
}
