module github.com/soda-cdm/kahu

go 1.26.0

require (
	github.com/go-logr/logr v1.4.3
	github.com/go-logr/zapr v1.3.0
	github.com/google/go-cmp v0.7.0
	github.com/klauspost/compress v1.20.3
	github.com/soda-cdm/kahu/api v0.0.0
	github.com/soda-cdm/kahu/provider v0.0.0
	github.com/spf13/cobra v1.10.2
	google.golang.org/grpc v1.83.0
	google.golang.org/protobuf v1.36.11
	k8s.io/api v0.36.3
	k8s.io/apiextensions-apiserver v0.36.3
	k8s.io/apimachinery v0.36.3
	k8s.io/client-go v0.36.3
	k8s.io/utils v0.0.0-20260210185600-b8788abfbbc2
	sigs.k8s.io/controller-runtime v0.24.1
	sigs.k8s.io/yaml v1.6.0
)

replace (
	github.com/soda-cdm/kahu/api => ./api
	github.com/soda-cdm/kahu/provider => ./provider
)
