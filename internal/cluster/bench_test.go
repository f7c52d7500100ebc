package cluster_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// BenchmarkList compares with the plain reading of the same pages.
func BenchmarkList(b *testing.B) {
	namespace := testcluster.Namespace(b)
	client, err := cluster.New(testcluster.Config(b), cluster.Options{})
	if err != nil {
		b.Fatal(err)
	}
	const count = 5000
	content := map[string]any{"content": strings.Repeat("abcdefgh", 128)}
	for i := range count {
		if _, err := client.Create(b.Context(), configMaps(), configMap(namespace, fmt.Sprintf("object-%05d", i), content), "test"); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("List", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			total := 0
			err := client.List(b.Context(), core.ListRequest{Kind: configMaps(), Namespace: namespace}, func(page core.Page) error {
				total += len(page.Objects)
				return nil
			})
			if err != nil || total < count {
				b.Fatalf("%d objects, error %v", total, err)
			}
		}
		b.ReportMetric(count*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	})
	b.Run("Plain", func(b *testing.B) {
		for b.Loop() {
			if err := readPlain(b, namespace); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(count*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	})
}

// readPlain reads all pages of 500 and discards the bytes.
func readPlain(b *testing.B, namespace string) error {
	b.Helper()
	config := rest.CopyConfig(testcluster.Config(b))
	config.DisableCompression = true
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	token := ""
	for {
		query := url.Values{"limit": {"500"}, "continue": {token}}
		address := config.Host + "/api/v1/namespaces/" + namespace + "/configmaps?" + query.Encode()
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return err
		}
		var list struct {
			Metadata metav1.ListMeta `json:"metadata"`
		}
		// The metadata stand in front of the items.
		head, _, _ := strings.Cut(string(content[:min(len(content), 4096)]), `,"items":`)
		if err := json.Unmarshal([]byte(head+"}"), &list); err != nil {
			return err
		}
		if token = list.Metadata.Continue; token == "" {
			return nil
		}
	}
}
