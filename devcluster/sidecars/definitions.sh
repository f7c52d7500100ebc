#!/bin/sh
# Copies the definitions of snapshots and of changed blocks from the modules that go.mod here names: sidecars/definitions.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for module in external-snapshotter/client/v8 external-snapshot-metadata/client; do
	# What takes the module's place, if something does, is what is built with.
	from=$(go -C "$here" list -m -f '{{with .Replace}}{{.Path}}@{{.Version}}{{else}}{{.Path}}@{{.Version}}{{end}}' "github.com/kubernetes-csi/$module")
	folder=$(go -C "$here" mod download -json "$from" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	for file in "$folder"/config/crd/*.storage.k8s.io_*.yaml; do
		cat "$file" >"$1/$(basename "$file")"
	done
done
