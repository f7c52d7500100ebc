#!/bin/sh
# Installs the Debian packages that a node of devcluster needs, those that are missing.
# It takes root. None of their services is started: devcluster runs containerd itself, in namespaces of its own.
set -eu
missing=''
for package in iproute2 mount nftables containerd runc containernetworking-plugins; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# The rule of the machine about services stays; where there is none, all are forbidden meanwhile.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # they are words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
