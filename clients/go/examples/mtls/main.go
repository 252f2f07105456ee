// Calls a gateway that asks for a client certificate; the certificate names the tenant.
//
// Usage: mtls HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"samegate"
)

func run(ctx context.Context, target, authorities, certificate, key string) error {
	tls, err := samegate.TLSFiles(authorities, certificate, key)
	if err != nil {
		return err
	}
	client, err := samegate.New(target, samegate.Options{TLS: tls})
	if err != nil {
		return err
	}
	defer client.Close()
	libraries, err := client.Libraries(ctx)
	for _, library := range libraries {
		fmt.Println(library.Library)
	}
	return err
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: mtls HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}
