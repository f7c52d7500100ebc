#!/bin/sh
# Copies the definitions of snapshots from the module that go.mod here names: sidecars/definitions.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
from=$(go -C "$here" mod download -json github.com/kubernetes-csi/external-snapshotter/client/v8@"$(go -C "$here" list -m -f '{{.Version}}' github.com/kubernetes-csi/external-snapshotter/client/v8)" |
	sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
for file in "$from"/config/crd/*.storage.k8s.io_*.yaml; do
	cat "$file" >"$1/$(basename "$file")"
done
