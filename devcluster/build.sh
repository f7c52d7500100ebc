#!/bin/sh
# Builds the binary: devcluster/build.sh [OUTPUT], by default into bin/ of the repository,
# and beside it devcluster-workload, the program of the pods, which needs no libraries,
# and the folder devcluster-sidecars, with the programs between Kubernetes and CSI drivers.
# The version of Kubernetes that it reports is the one that go.mod requires.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../bin/devcluster}
case $out in /*) ;; *) out=$PWD/$out ;; esac

version=$(go -C "$here" list -m -f '{{.Version}}' k8s.io/kubernetes)
major=${version#v} && major=${major%%.*}
minor=${version#v*.} && minor=${minor%%.*}
flags='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	flags="$flags -X $package.gitTreeState=clean -X $package.gitCommit="
done
CGO_ENABLED=0 go -C "$here" build -trimpath -ldflags '-s -w' -o "$(dirname "$out")/devcluster-workload" ./cmd/devcluster-workload
# These keep to the versions that they were released with, in a module of their own.
mkdir -p "$(dirname "$out")/devcluster-sidecars"
CGO_ENABLED=0 go -C "$here/sidecars" build -trimpath -ldflags '-s -w' -o "$(dirname "$out")/devcluster-sidecars/" tool
exec go -C "$here" build -trimpath -ldflags "$flags" -o "$out" .
