package orders

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) } //nolint:forbidigo // This is main.

// TestAwaitKinds has the definitions come after the sidecar.
func TestAwaitKinds(t *testing.T) {
	config := cluster.Config(t)
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	logger := funcr.New(func(_, args string) { said <- args }, funcr.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- awaitKinds(ctx, Options{Logger: logger}, reader) }()
	select {
	case <-said:
	case err := <-returned:
		t.Fatalf("returned %v, with no definition there", err)
	}
	cluster.InstallCRDs(t, config, "../../../config/crd")
	if err := <-returned; err != nil {
		t.Error(err)
	}
	if err := awaitKinds(ctx, Options{Logger: logr.Discard()}, reader); err != nil {
		t.Errorf("with the definitions there: %v", err)
	}
	cancel()
	if err := awaitKinds(ctx, Options{Logger: logr.Discard()}, reader); err == nil {
		t.Error("there is no error, though the context has ended")
	}
}
