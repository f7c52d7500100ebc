package transform_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// webhook serves an admission webhook that is down for its first calls.
func webhook(t *testing.T, down int64) (server *httptest.Server, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= down {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var review struct {
			Request struct {
				UID string `json:"uid"`
			} `json:"request"`
		}
		if err := json.Unmarshal(body, &review); err != nil {
			t.Error(err)
		}
		answer := map[string]any{
			"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
			"response": map[string]any{"uid": review.Request.UID, "allowed": true},
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server, calls
}

const guard = `{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "NS"},
	"webhooks": [{"name": "a.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
	"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
	"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "NS"}},
	"matchConditions": [{"name": "settings", "expression": "object.metadata.name == 'settings'"}]}]}`

func (s *story) guard(server *httptest.Server) *unstructured.Unstructured {
	object := s.object(guard)
	hooks, _, _ := unstructured.NestedSlice(object.Object, "webhooks")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	hooks[0].(map[string]any)["clientConfig"] = map[string]any{
		"url": server.URL, "caBundle": base64.StdEncoding.EncodeToString(certificate),
	}
	object.Object["webhooks"] = hooks
	return object
}

// An object that is refused because the server of a webhook is not ready yet comes when it is.
func TestWebhookThatComesUp(t *testing.T) {
	t.Parallel()
	const down = 4
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.backup()
	s.remove(kindOf("configmaps", true), "settings")
	server, calls := webhook(t, down)
	hooks := kindOf("validatingwebhookconfigurations.admissionregistration.k8s.io.v1", false)
	s.create(hooks, s.guard(server), nil)
	t.Cleanup(func() { s.clean(hooks, s.namespace) })
	s.awaitGuard(calls)
	result := s.restored(nil)
	if result.Counts.Created != 1 || calls.Load() <= down {
		t.Errorf("created are %d after %d calls", result.Counts.Created, calls.Load())
	}
	s.read(kindOf("configmaps", true), "settings", anything)
}

// awaitGuard returns when the API server asks the webhook, which it begins to do a moment after it was told so.
func (s *story) awaitGuard(calls *atomic.Int64) {
	s.t.Helper()
	trial := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	ctx, cancel := context.WithTimeout(s.t.Context(), waitLimit)
	defer cancel()
	for calls.Load() == 0 {
		_, err := s.of(kindOf("configmaps", true)).Create(ctx, s.object(settings), trial)
		if err == nil == (calls.Load() > 0) {
			s.t.Fatalf("asked %d times, and got %v", calls.Load(), err)
		}
	}
}
