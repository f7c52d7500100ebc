package plane

import (
	"net"
	"strconv"

	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

// The components, by the names of their upstream binaries.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
)

const (
	serviceRange = "10.96.0.0/16"
	// Of a unix socket, host and port together are the name of a file.
	etcdSocket     = "unix://etcd.sock:0"
	etcdPeerSocket = "unix://etcd-peer.sock:0"
	issuer         = "https://kubernetes.default.svc.cluster.local"
)

// serviceAddress is the address of the service named kubernetes: the first of the range.
func serviceAddress() net.IP { return net.IPv4(10, 96, 0, 1) }

// etcdArguments has etcd listen on sockets in the cluster's folder and nowhere
// else: they cost no port, and only the folder's owner gets at them. The paths
// are relative to the working folder, as a socket's path has 107 bytes at most,
// and end like a port, as etcd insists on one.
func etcdArguments() []string {
	return []string{
		"--name=default",
		"--data-dir=etcd",
		"--listen-client-urls=" + etcdSocket,
		"--advertise-client-urls=" + etcdSocket,
		"--listen-peer-urls=" + etcdPeerSocket,
		"--initial-advertise-peer-urls=" + etcdPeerSocket,
		"--initial-cluster=default=" + etcdPeerSocket,
		// The data need to survive a process, not a power cut.
		"--unsafe-no-fsync=true",
		"--log-level=warn",
	}
}

func apiServerArguments(layout Layout, where site) []string {
	return append(whereArguments(layout, where),
		"--etcd-servers="+etcdSocket,
		"--bind-address="+where.server.Addr().String(),
		"--advertise-address="+where.server.Addr().String(),
		"--secure-port="+strconv.Itoa(int(where.server.Port())),
		"--service-cluster-ip-range="+serviceRange,
		"--allow-privileged=true",
		"--client-ca-file="+layout.key(pki.CA+pki.CertEnding),
		"--service-account-issuer="+issuer,
		"--service-account-key-file="+layout.key(pki.ServiceAccountPublic),
		"--service-account-signing-key-file="+layout.key(pki.ServiceAccountKey),
		"--requestheader-client-ca-file="+layout.key(pki.FrontProxyCA+pki.CertEnding),
		"--requestheader-allowed-names="+pki.FrontProxyClient,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+layout.key(pki.FrontProxyClient+pki.CertEnding),
		"--proxy-client-key-file="+layout.key(pki.FrontProxyClient+pki.KeyEnding),
		// A test may well be all the load there is, and is not to be held back.
		"--max-requests-inflight=2000",
		"--max-mutating-requests-inflight=1000",
	)
}

// whereArguments are those that differ with and without nodes.
func whereArguments(layout Layout, where site) []string {
	if where.network == nil {
		return []string{
			"--permit-port-sharing=true", // with the supervisor, which holds the port
			// An endpoint on loopback is invalid, and no pod is there to use it.
			"--endpoint-reconciler-type=none",
			"--authorization-mode=RBAC",
			"--tls-cert-file=" + layout.key(pki.APIServer+pki.CertEnding),
			"--tls-private-key-file=" + layout.key(pki.APIServer+pki.KeyEnding),
		}
	}
	serving := pki.Serving(where.server.Addr().AsSlice())
	return []string{
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--tls-cert-file=" + layout.key(serving+pki.CertEnding),
		"--tls-private-key-file=" + layout.key(serving+pki.KeyEnding),
		"--kubelet-certificate-authority=" + layout.key(pki.CA+pki.CertEnding),
		"--kubelet-client-certificate=" + layout.key(pki.Admin+pki.CertEnding),
		"--kubelet-client-key=" + layout.key(pki.Admin+pki.KeyEnding),
		"--kubelet-preferred-address-types=InternalIP",
		// Where the control plane runs, no addresses of services are translated: it goes to the pods themselves.
		"--enable-aggregator-routing=true",
	}
}

func controllerManagerArguments(layout Layout) []string {
	return []string{
		"--kubeconfig=" + layout.key(controllerManager+".kubeconfig"),
		"--controllers=*",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + layout.key(pki.ServiceAccountKey),
		"--root-ca-file=" + layout.key(pki.CA+pki.CertEnding),
		"--cluster-signing-cert-file=" + layout.key(pki.CA+pki.CertEnding),
		"--cluster-signing-key-file=" + layout.key(pki.CA+pki.KeyEnding),
		"--service-cluster-ip-range=" + serviceRange,
		"--leader-elect=false",
		"--secure-port=0", // nobody asks for its metrics
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--pvclaimbinder-sync-period=1s",
		"--namespace-sync-period=30s",
	}
}

func schedulerArguments(layout Layout) []string {
	return []string{
		"--kubeconfig=" + layout.key(scheduler+".kubeconfig"),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
	}
}
