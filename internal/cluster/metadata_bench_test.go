package cluster_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
)

// BenchmarkListMetadata reads the metadata of 10,000 objects in pages of 500, as an API server sends them.
func BenchmarkListMetadata(b *testing.B) {
	const pages, perPage = 20, 500
	var answers [pages][]byte
	for number := range answers {
		list := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}}
		if number+1 < pages {
			list.Continue = fmt.Sprint(number + 1)
		}
		for i := range perPage {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("object-%06d", number*perPage+i), Namespace: "scale", UID: types.UID(fmt.Sprintf("7f1c2a34-0000-4000-8000-%012d", i)),
				ResourceVersion: fmt.Sprint(100000 + i), CreationTimestamp: metav1.NewTime(time.Unix(1000, 0)),
				Labels: map[string]string{"app.kubernetes.io/name": "app-7", "tier": "front"},
				ManagedFields: []metav1.ManagedFieldsEntry{{
					Manager: "bench", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1",
					FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:more.properties":{},"f:settings.yaml":{}},"f:metadata":{"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:tier":{}}}}`),
				}},
			}})
		}
		raw, err := list.Marshal()
		if err != nil {
			b.Fatal(err)
		}
		wrapped := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}, Raw: raw}
		content, err := wrapped.Marshal()
		if err != nil {
			b.Fatal(err)
		}
		answers[number] = append([]byte("k8s\x00"), content...)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("continue"), &number)
		w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
		_, _ = w.Write(answers[number])
	}))
	defer server.Close()
	client, err := cluster.New(&rest.Config{Host: server.URL}, cluster.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		if err := client.ListMetadata(b.Context(), core.ListRequest{Kind: configMaps()}, func(page core.MetadataPage) error {
			count += len(page.Objects)
			return nil
		}); err != nil || count != pages*perPage {
			b.Fatalf("%d objects, %v", count, err)
		}
	}
	b.ReportMetric(pages*perPage*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
