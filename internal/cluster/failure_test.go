package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// classes are all classes of errors, each of which excludes the others here.
func classes() []error {
	return []error{
		core.ErrNotFound, core.ErrAlreadyExists, core.ErrConflict, core.ErrDenied, core.ErrInvalid, core.ErrFull,
		core.ErrUnavailable, core.ErrExpired, core.ErrUnsupported, core.ErrCorrupt,
	}
}

func checkClass(t *testing.T, err, want error) {
	t.Helper()
	for _, class := range classes() {
		if is := errors.Is(err, class); is != errors.Is(want, class) {
			t.Errorf("is %v: %v, want the opposite: %v", class, is, err)
		}
	}
}

// TestErrorsOfServer provokes each class of error at a real API server.
func TestErrorsOfServer(t *testing.T) {
	config := testcluster.Config(t)
	client := newClient(t, config, cluster.Options{})
	namespace := testcluster.Namespace(t)
	create(t, client, configMaps(), configMap(namespace, "there", nil))
	stranger := rest.CopyConfig(config)
	stranger.Impersonate = rest.ImpersonationConfig{UserName: "stranger"}
	nobody := rest.AnonymousClientConfig(config)
	nobody.BearerToken = "wrong"
	ended := terminating(t, client)
	quota := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota",
		"metadata": map[string]any{"namespace": namespace, "name": "none"},
		"spec":     map[string]any{"hard": map[string]any{"count/secrets": "0"}},
	}}
	quotas := core.Kind{Version: "v1", Name: "ResourceQuota", Resource: "resourcequotas", Namespaced: true}
	create(t, client, quotas, quota)
	reviews := core.Kind{Group: "authentication.k8s.io", Version: "v1", Name: "TokenReview", Resource: "tokenreviews"}
	noResource, noGroup := configMaps(), configMaps()
	noResource.Resource, noGroup.Group = "nothings", "nothing.kahu.test"

	get := func(client *cluster.Client, kind core.Kind, namespace, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.Get(ctx, kind, namespace, name)
			return err
		}
	}
	list := func(client *cluster.Client, kind core.Kind, namespace string) func(context.Context) error {
		return func(ctx context.Context) error {
			request := core.ListRequest{Kind: kind, Namespace: namespace}
			return client.List(ctx, request, func(core.Page) error { return nil })
		}
	}
	creates := func(kind core.Kind, object *unstructured.Unstructured) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.Create(ctx, kind, object, "test")
			return err
		}
	}
	unknown := configMap(namespace, "unknown", nil)
	unknown.Object["detail"] = "x"
	huge := configMap(namespace, "huge", map[string]any{"x": strings.Repeat("x", 4<<20)})
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": namespace, "name": "s"},
	}}
	awaitQuota(t, client, secret)

	cases := map[string]struct {
		do    func(context.Context) error
		class error
		words string
	}{
		"GetMissing":          {get(client, configMaps(), namespace, "missing"), core.ErrNotFound, `"missing" not found`},
		"GetUnservedResource": {get(client, noResource, namespace, "x"), core.ErrUnsupported, "could not find the requested"},
		"GetUnservedGroup":    {get(client, noGroup, namespace, "x"), core.ErrUnsupported, "404"},
		"GetNoName":           {get(client, configMaps(), namespace, ""), core.ErrInvalid, "name"},
		"GetPathName":         {get(client, configMaps(), namespace, "../../x"), core.ErrInvalid, "name"},
		"GetNoNamespace":      {get(client, configMaps(), "", "x"), core.ErrInvalid, "namespace"},
		"GetNamespaceOfNone":  {get(client, namespaces(), namespace, "x"), core.ErrInvalid, "namespace"},
		"GetDenied":           {get(newClient(t, stranger, cluster.Options{}), configMaps(), namespace, "there"), core.ErrDenied, `User "stranger"`},
		"GetUnauthorized":     {get(newClient(t, nobody, cluster.Options{}), configMaps(), namespace, "there"), core.ErrDenied, "Unauthorized"},
		"ListUnserved":        {list(client, noGroup, ""), core.ErrUnsupported, "404"},
		"ListUnlistable":      {list(client, reviews, ""), core.ErrUnsupported, "method"},
		"ListDenied":          {list(newClient(t, stranger, cluster.Options{}), secrets(), ""), core.ErrDenied, `User "stranger"`},
		"ListBadNamespace":    {list(client, configMaps(), "a/b"), core.ErrInvalid, "namespace"},
		"CreateExisting":      {creates(configMaps(), configMap(namespace, "there", nil)), core.ErrAlreadyExists, `"there" already exists`},
		"CreateNoNamespace":   {creates(configMaps(), configMap("missing-namespace", "x", nil)), core.ErrNotFound, `"missing-namespace" not found`},
		"CreateTerminating":   {creates(configMaps(), configMap(ended, "x", nil)), core.ErrConflict, "being terminated"},
		"CreateBadName":       {creates(configMaps(), configMap(namespace, "Not_A_Name", nil)), core.ErrInvalid, "metadata.name"},
		"CreateUnknownField":  {creates(configMaps(), unknown), core.ErrInvalid, `unknown field "detail"`},
		"CreateTooLarge":      {creates(configMaps(), huge), core.ErrInvalid, "too large"},
		"CreateOverQuota":     {creates(secrets(), secret), core.ErrDenied, ""},
		"CreateUnserved":      {creates(noGroup, configMap(namespace, "x", nil)), core.ErrUnsupported, "404"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := tc.do(t.Context())
			checkClass(t, err, tc.class)
			if err != nil && !strings.Contains(err.Error(), tc.words) {
				t.Errorf("the error does not say %q: %v", tc.words, err)
			}
		})
	}
}

// awaitQuota waits until the API server refuses the Secret: it learns of a quota some time after it has taken it, and nothing
// tells when.
func awaitQuota(t *testing.T, client *cluster.Client, secret *unstructured.Unstructured) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := client.TryCreate(ctx, secrets(), secret.DeepCopy(), "test")
		if errors.Is(err, core.ErrDenied) {
			return
		}
		if err != nil {
			t.Fatalf("waiting for the quota: %v", err)
		}
	}
}

// terminating returns a namespace that is being deleted and cannot end, until the test ends.
func terminating(t *testing.T, client *cluster.Client) string {
	t.Helper()
	namespace := testcluster.Namespace(t)
	held := configMap(namespace, "held", nil)
	held.SetFinalizers([]string{"kahu.test/hold"})
	create(t, client, configMaps(), held)
	api := reference(t)
	t.Cleanup(func() {
		held.SetFinalizers(nil)
		if err := client.Replace(context.WithoutCancel(t.Context()), configMaps(), held, "test"); err != nil {
			t.Error(err)
		}
	})
	err := api.Resource(namespaces().GroupVersionResource()).Delete(t.Context(), namespace, metav1.DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace
}

// TestErrorsOfAnswers gives the answers that a real API server gives only in trouble.
func TestErrorsOfAnswers(t *testing.T) {
	cases := map[string]struct {
		code  int
		body  string
		class error
		words string
	}{
		"BadRequest":      {http.StatusBadRequest, status(400, "BadRequest", "no good", ""), core.ErrInvalid, "no good"},
		"Unprocessable":   {http.StatusUnprocessableEntity, status(422, "Invalid", "no good", ""), core.ErrInvalid, "no good"},
		"MediaType":       {http.StatusUnsupportedMediaType, status(415, "UnsupportedMediaType", "no", ""), core.ErrInvalid, "no"},
		"Conflict":        {http.StatusConflict, status(409, "Conflict", "changed", ""), core.ErrConflict, "changed"},
		"Exists":          {http.StatusConflict, status(409, "AlreadyExists", "there", ""), core.ErrAlreadyExists, "there"},
		"Gone":            {http.StatusGone, status(410, "Expired", "too old", ""), core.ErrExpired, "too old"},
		"NotAcceptable":   {http.StatusNotAcceptable, status(406, "NotAcceptable", "no", ""), core.ErrUnsupported, "no"},
		"NotImplemented":  {http.StatusNotImplemented, "", core.ErrUnsupported, "501"},
		"TooMany":         {http.StatusTooManyRequests, status(429, "TooManyRequests", "later", ""), core.ErrUnavailable, "later"},
		"RequestTimeout":  {http.StatusRequestTimeout, "", core.ErrUnavailable, "408"},
		"Internal":        {http.StatusInternalServerError, status(500, "InternalError", "oops", ""), core.ErrUnavailable, "oops"},
		"BadGateway":      {http.StatusBadGateway, "<html>bad gateway</html>", core.ErrUnavailable, "bad gateway"},
		"Unavailable":     {http.StatusServiceUnavailable, status(503, "ServiceUnavailable", "down", ""), core.ErrUnavailable, "down"},
		"GatewayTimeout":  {http.StatusGatewayTimeout, status(504, "Timeout", "slow", ""), core.ErrUnavailable, "slow"},
		"NotFoundByName":  {http.StatusNotFound, status(404, "NotFound", "no x", `"name":"x"`), core.ErrNotFound, "no x"},
		"NotFoundPlain":   {http.StatusNotFound, "404 page not found\n", core.ErrUnsupported, "404 page not found"},
		"QuotaExceeded":   {http.StatusForbidden, status(403, "Forbidden", "exceeded quota: q", `"name":"x"`), core.ErrDenied, "exceeded quota"},
		"NotJSON":         {http.StatusOK, "<html>log in</html>", core.ErrCorrupt, ""},
		"OtherJSON":       {http.StatusOK, "{}", core.ErrCorrupt, ""},
		"RedirectNowhere": {http.StatusNotModified, "", core.ErrInvalid, "304"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			config := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, tc.code, tc.body) })
			client := newClient(t, config, cluster.Options{Attempts: 1})
			_, err := client.Get(t.Context(), configMaps(), "n", "x")
			checkClass(t, err, tc.class)
			if err != nil && !strings.Contains(err.Error(), tc.words) {
				t.Errorf("the error does not say %q: %v", tc.words, err)
			}
		})
	}
}

func TestErrorsOfConnection(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := &rest.Config{Host: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	hanging := serve(t, func(http.ResponseWriter, *http.Request) { <-hang })
	resetting := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	t.Cleanup(func() { close(hang) })
	for name, tc := range map[string]struct {
		config *rest.Config
		words  string
	}{
		"Refused": {closed, "connection refused"},
		"Hangs":   {hanging, "did not answer in time"},
		"Resets":  {resetting, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			options := cluster.Options{Attempts: 2, Timeout: 200 * time.Millisecond, Clock: &impatientClock{}}
			client := newClient(t, tc.config, options)
			_, err := client.Create(t.Context(), configMaps(), configMap("n", "x", nil), "test")
			checkClass(t, err, core.ErrUnavailable)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("the deadline of a request looks like the caller's")
			}
			if err != nil && !strings.Contains(err.Error(), tc.words) {
				t.Errorf("the error does not say %q: %v", tc.words, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := client.Get(ctx, configMaps(), "n", "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("after the context ended: got error %v", err)
			}
		})
	}
}

// TestRepeats shows what is sent again, after which wait, and what is not.
func TestRepeats(t *testing.T) {
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	conflictOf := func(kind string) string { return status(409, "Conflict", "changed", `"kind":"`+kind+`"`) }
	first, second := 100*time.Millisecond, 200*time.Millisecond
	cases := map[string]struct {
		reason string
		method string
		// code and body are the answer to the first two requests of the method, after which all goes well; 0 resets
		// the connection.
		code  int
		body  string
		after string
		waits []time.Duration
		class error
	}{
		"ReadTooMany":        {"APF says when.", get, 429, "", "3", []time.Duration{3 * time.Second, 3 * time.Second}, nil},
		"ReadTooManySilent":  {"No advice: back off.", get, 429, "", "", []time.Duration{first, second}, nil},
		"ReadTooLong":        {"An advice is bounded.", get, 429, "", "9999", []time.Duration{30 * time.Second, 30 * time.Second}, nil},
		"ReadUnavailable":    {"Reads do no harm.", get, 503, "", "", []time.Duration{first, second}, nil},
		"ReadInternal":       {"etcd without a leader.", get, 500, "", "", []time.Duration{first, second}, nil},
		"ReadReset":          {"Reads do no harm.", get, 0, "", "", []time.Duration{first, second}, nil},
		"ReadInvalid":        {"It would be refused again.", get, 400, "", "", nil, core.ErrInvalid},
		"ReadNotImplemented": {"It will not be there.", get, 501, "", "", nil, core.ErrUnsupported},
		"CreateTooMany":      {"It was not looked at.", post, 429, "", "1", []time.Duration{time.Second, time.Second}, nil},
		"CreateAdvised":      {"The server asks for it.", post, 503, "", "1", []time.Duration{time.Second, time.Second}, nil},
		"CreateUnavailable":  {"It may have happened.", post, 503, "", "", nil, core.ErrUnavailable},
		"CreateInternal":     {"It may have happened.", post, 500, "", "", nil, core.ErrUnavailable},
		"CreateTimeout":      {"It may have happened.", post, 504, "", "", nil, core.ErrUnavailable},
		"CreateReset":        {"It may have happened.", post, 0, "", "", nil, core.ErrUnavailable},
		"CreateQuotaChanged": {"Objects side by side.", post, 409, conflictOf("resourcequotas"), "", []time.Duration{first, second}, nil},
		"CreateConflict":     {"Nobody knows why.", post, 409, conflictOf("webhooks"), "", nil, core.ErrConflict},
		"UpdateReset":        {"It names its version.", put, 0, "", "", []time.Duration{first, second}, nil},
		"UpdateConflict":     {"It begins again.", put, 409, conflictOf("configmaps"), "", nil, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var requests counter
			timer := &impatientClock{}
			config := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if content, err := io.ReadAll(r.Body); err != nil || r.Method != get && len(content) == 0 {
					t.Errorf("got content %q, error %v", content, err)
				}
				if r.Method == tc.method && requests.add(r.Method) <= 2 {
					if tc.code == 0 {
						panic(http.ErrAbortHandler)
					}
					if tc.after != "" {
						w.Header().Set("Retry-After", tc.after)
					}
					answer(w, tc.code, tc.body)
					return
				}
				answer(w, http.StatusOK, `{"metadata":{"name":"x","namespace":"n","uid":"u","resourceVersion":"1"}}`)
			})
			client := newClient(t, config, cluster.Options{Clock: timer})
			checkClass(t, perform(t, client, tc.method), tc.class)
			if diff := cmp.Diff(tc.waits, timer.waits); diff != "" {
				t.Errorf("%s\nwaits (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// perform sends one request of the method, an update after one that reads.
func perform(t *testing.T, client *cluster.Client, method string) error {
	t.Helper()
	var err error
	switch method {
	case http.MethodGet:
		_, err = client.Get(t.Context(), configMaps(), "n", "x")
	case http.MethodPost:
		_, err = client.Create(t.Context(), configMaps(), configMap("n", "x", nil), "test")
	case http.MethodPut:
		err = client.Replace(t.Context(), configMaps(), configMap("n", "x", nil), "test")
	}
	return err
}

func TestRepeatsAreBounded(t *testing.T) {
	var requests counter
	timer := &impatientClock{}
	config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.add("any")
		answer(w, http.StatusServiceUnavailable, status(503, "ServiceUnavailable", "down", ""))
	})
	_, err := newClient(t, config, cluster.Options{Clock: timer}).Get(t.Context(), configMaps(), "n", "x")
	checkClass(t, err, core.ErrUnavailable)
	total := time.Duration(0)
	for _, wait := range timer.waits {
		total += wait
	}
	if requests.of("any") != 10 || total < 15*time.Second || total > 30*time.Second {
		t.Errorf("got %d requests and a wait of %s, want 10 and about 20 s", requests.of("any"), total)
	}
}

// TestSecretsStaySecret makes the server, or something behind it, quote a Secret.
func TestSecretsStaySecret(t *testing.T) {
	const content = "hunter2"
	namespace := testcluster.Namespace(t)
	server := newClient(t, testcluster.Config(t), cluster.Options{})
	secret := func(fields map[string]any) *unstructured.Unstructured {
		object := map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": namespace, "name": "s"},
		}
		maps.Copy(object, fields)
		return &unstructured.Unstructured{Object: object}
	}
	answering := func(code int, body string) *cluster.Client {
		return newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, code, body) }), cluster.Options{Attempts: 1})
	}
	causes := fmt.Sprintf(`"name":"s","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: %s","field":"data"}]`, content)
	cases := map[string]struct {
		client *cluster.Client
		object *unstructured.Unstructured
		class  error
		words  string
	}{
		"NotBase64":   {server, secret(map[string]any{"data": map[string]any{"k": content + "!"}}), core.ErrInvalid, "400"},
		"WrongType":   {server, secret(map[string]any{"data": content}), core.ErrInvalid, "400"},
		"Unknown":     {server, secret(map[string]any{"more": content}), core.ErrInvalid, `unknown field "more"`},
		"BadKey":      {server, secret(map[string]any{"stringData": map[string]any{"bad key": content}}), core.ErrInvalid, "FieldValueInvalid"},
		"BadDocker":   {server, secret(map[string]any{"type": "kubernetes.io/dockerconfigjson", "stringData": map[string]any{".dockerconfigjson": content}}), core.ErrInvalid, "data"},
		"Validation":  {answering(422, status(422, "Invalid", "Invalid value: "+content, causes)), secret(nil), core.ErrInvalid, "data FieldValueInvalid"},
		"Webhook":     {answering(403, status(403, "Forbidden", `admission webhook "w" denied the request: `+content, "")), secret(nil), core.ErrDenied, "403"},
		"Webhook409":  {answering(409, status(409, "Conflict", `admission webhook "w" denied the request: `+content, "")), secret(nil), core.ErrConflict, "409"},
		"Policy":      {answering(403, status(403, "Forbidden", `secrets "s" is forbidden: ValidatingAdmissionPolicy 'p' denied request: `+content, `"name":"s"`)), secret(nil), core.ErrDenied, "403"},
		"Internal":    {answering(500, status(500, "InternalError", content, "")), secret(nil), core.ErrUnavailable, "500"},
		"PlainText":   {answering(500, content), secret(nil), core.ErrUnavailable, "500"},
		"NoJSON":      {answering(201, content), secret(nil), core.ErrCorrupt, ""},
		"Rights":      {answering(403, status(403, "Forbidden", `secrets is forbidden: User "u" cannot create`, "")), secret(nil), core.ErrDenied, `User "u"`},
		"Quota":       {answering(403, status(403, "Forbidden", `secrets "s" is forbidden: exceeded quota: q`, `"name":"s"`)), secret(nil), core.ErrDenied, "exceeded quota: q"},
		"Unencodable": {server, secret(map[string]any{"data": map[string]any{content: func() {}}}), core.ErrInvalid, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tc.client.Create(t.Context(), secrets(), tc.object, "test")
			checkClass(t, err, tc.class)
			if err == nil {
				return
			}
			if strings.Contains(err.Error(), content) {
				t.Errorf("the error quotes the Secret: %v", err)
			}
			if !strings.Contains(err.Error(), tc.words) {
				t.Errorf("the error does not say %q: %v", tc.words, err)
			}
		})
	}
}
