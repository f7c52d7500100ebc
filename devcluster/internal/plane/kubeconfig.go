package plane

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

// writeKubeconfigs writes the administrator's and the components' kubeconfigs.
func writeKubeconfigs(layout Layout, server string) error {
	for path, client := range map[string]string{
		layout.Kubeconfig():                           pki.Admin,
		layout.key(controllerManager + ".kubeconfig"): pki.ControllerManager,
		layout.key(scheduler + ".kubeconfig"):         pki.Scheduler,
	} {
		content, err := kubeconfig(layout, server, client)
		if err != nil {
			return fmt.Errorf("making the kubeconfig of %s: %w", client, err)
		}
		if err := writeFile(path, content); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig holds its keys itself, so that it works wherever it is copied to.
func kubeconfig(layout Layout, server, client string) ([]byte, error) {
	ca, err := os.ReadFile(layout.key(pki.CA + pki.CertEnding))
	if err != nil {
		return nil, err
	}
	certificate, err := os.ReadFile(layout.key(client + pki.CertEnding))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(layout.key(client + pki.KeyEnding))
	if err != nil {
		return nil, err
	}
	cluster := "devcluster-" + layout.Name
	config := api.NewConfig()
	config.Clusters[cluster] = &api.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[client] = &api.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: client}
	config.CurrentContext = cluster
	return clientcmd.Write(*config)
}
