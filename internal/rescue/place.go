package rescue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// The providers that a place can have.
const (
	Filesystem = "filesystem"
	S3         = "s3"
	NFS        = "nfs"
)

// Place is where the backups lie.
type Place struct {
	// Provider is the name of the provider that reaches it.
	Provider string
	// Root is the folder of the filesystem provider.
	Root string
	// Config is what the provider must know, Credentials what it must keep to itself.
	Config, Credentials map[string]string
}

// forms says how a place is written.
const forms = `a folder (/srv/backups, or /srv/backups?path=FOLDER below it), s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION, or nfs://SERVER/EXPORT?path=FOLDER`

// secretKeys are what must not stand in an address, which ends in the history of a shell and in the list of processes.
func secretKeys() []string {
	return []string{"accessKeyID", "secretAccessKey", "sessionToken", "customerKey"}
}

// ParsePlace reads an address. What stands after the question mark goes into the configuration of the location as it is.
func ParsePlace(address string) (Place, error) {
	if err := checkForm(address); err != nil {
		return Place{}, err
	}
	scheme, rest, found := strings.Cut(address, "://")
	switch {
	case !found:
		return folder(address)
	case scheme == "file":
		return folder(rest)
	case scheme != S3 && scheme != NFS:
		return Place{}, fmt.Errorf("--location %s://...: use %s", scheme, forms)
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return Place{}, fmt.Errorf("--location is not an address: use %s", forms) // The error itself would quote what may be secret.
	}
	if parsed.User != nil {
		return Place{}, fmt.Errorf("--location: %s", notThere("a user or a password"))
	}
	place := Place{Provider: scheme, Config: map[string]string{}}
	for key, values := range parsed.Query() {
		if slices.Contains(secretKeys(), key) {
			return Place{}, fmt.Errorf("--location: %s", notThere(key))
		}
		place.Config[key] = values[len(values)-1]
	}
	return place, place.locate(parsed)
}

// checkForm refuses what looks like a folder and is rather meant to be an address: s3:/bucket, or host:/export. The name of a
// folder with a colon can be written in another way.
func checkForm(address string) error {
	if address == "" {
		return fmt.Errorf("--location is missing: say where the backups lie: %s", forms)
	}
	before, _, _ := strings.Cut(address, "?") // What follows may be secret.
	first, rest, _ := strings.Cut(before, "/")
	isAddress := strings.HasSuffix(first, ":") && strings.HasPrefix(rest, "/")
	if strings.Contains(first, ":") && !isAddress {
		return fmt.Errorf("--location %s is not an address: use %s; a folder of that name is ./%s", before, forms, before)
	}
	return nil
}

func notThere(what string) string {
	return what + " does not belong into an address, which others can see: use --credentials, or the environment"
}

// folder is the root of the filesystem provider, and after a question mark the path of the location below it.
func folder(address string) (Place, error) {
	root, query, _ := strings.Cut(address, "?")
	full, err := filepath.Abs(root)
	if err != nil {
		return Place{}, fmt.Errorf("--location %s: %w", root, err)
	}
	place := Place{Provider: Filesystem, Root: full, Config: map[string]string{}}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Place{}, fmt.Errorf("--location %s?...: what follows the question mark is not of the form key=value", root)
	}
	for key, each := range values {
		place.Config[key] = each[len(each)-1]
	}
	return place, nil
}

// locate takes what stands before the question mark.
func (p *Place) locate(parsed *url.URL) error {
	if parsed.Hostname() == "" {
		return fmt.Errorf("--location %s: use %s", parsed.Redacted(), forms)
	}
	if p.Provider == S3 {
		p.Config["bucket"] = parsed.Host
		if prefix := strings.Trim(parsed.Path, "/"); prefix != "" {
			p.Config["prefix"] = prefix
		}
		return nil
	}
	p.Config["server"], p.Config["export"] = parsed.Hostname(), parsed.Path
	if parsed.Port() != "" {
		p.Config["port"] = parsed.Port()
	}
	if strings.Trim(parsed.Path, "/") == "" {
		return fmt.Errorf("--location nfs://%s names no export: use %s", parsed.Host, forms)
	}
	return nil
}

// FromEnvironment takes the credentials that other programs for S3 take from their environment, where there are any.
func (p *Place) FromEnvironment(lookup func(name string) string) {
	if p.Provider != S3 {
		return
	}
	for key, name := range map[string]string{ //nolint:gosec // These are names.
		"accessKeyID": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY", "sessionToken": "AWS_SESSION_TOKEN",
	} {
		if value := lookup(name); value != "" {
			p.setCredential(key, value)
		}
	}
	for key, name := range map[string]string{"endpoint": "AWS_ENDPOINT_URL", "region": "AWS_REGION"} {
		if value := lookup(name); value != "" && p.Config[key] == "" {
			p.Config[key] = value
		}
	}
}

// TakeCredentials reads lines of the form key=value, as in the Secret of a location. What was there before, from the
// environment, counts no more. No value is in an error.
func (p *Place) TakeCredentials(content []byte) error {
	p.Credentials = nil
	scanner := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			return fmt.Errorf("line %d is not of the form key=value: see docs/disaster-recovery.md", number)
		}
		p.setCredential(strings.TrimSpace(key), strings.TrimSpace(value))
	}
	if scanner.Err() != nil {
		return errors.New("a line is too long for lines of the form key=value")
	}
	if len(p.Credentials) == 0 {
		return errors.New("it has no line of the form key=value: see docs/disaster-recovery.md")
	}
	return nil
}

func (p *Place) setCredential(key, value string) {
	if p.Credentials == nil {
		p.Credentials = map[string]string{}
	}
	p.Credentials[key] = value
}

// Attributes are what a driver in this process is given.
func (p *Place) Attributes() map[string]string {
	all := map[string]string{}
	maps.Copy(all, p.Config)
	maps.Copy(all, p.Credentials)
	return all
}

// String names the place, without anything that is secret.
func (p *Place) String() string {
	switch p.Provider {
	case S3:
		name := "s3://" + p.Config["bucket"]
		if p.Config["prefix"] != "" {
			name += "/" + p.Config["prefix"]
		}
		if p.Config["endpoint"] != "" {
			name += " at " + p.Config["endpoint"]
		}
		return name
	case NFS:
		return "nfs://" + p.Config["server"] + strings.TrimSuffix(p.Config["export"], "/") + strings.TrimSuffix("/"+p.Config["path"], "/")
	}
	return filepath.Join(p.Root, p.Config["path"])
}
