package workload

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// fetchLimit bounds one request, with its answer.
const fetchLimit = 30 * time.Second

// fetch prints what a server answers. Any answer but a good one is an error.
func fetch(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flagsOf("fetch")
	ca := flags.String("ca", "", "file of the authority of the server's certificate")
	token := flags.String("token", "", "file of the token to show")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, arguments[0], nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *token != "" {
		content, err := os.ReadFile(*token)
		if err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(content)))
	}
	client, err := trusting(*ca)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(stdout, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", response.Status)
	}
	return nil
}

// trusting gives a client that believes the authority of a file, or those of the system.
func trusting(ca string) (*http.Client, error) {
	if ca == "" {
		return &http.Client{}, nil
	}
	content, err := os.ReadFile(ca) //nolint:gosec // the user names it
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("there is no certificate in %s", ca)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}
