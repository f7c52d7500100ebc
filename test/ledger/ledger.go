// Package ledger is an application whose volumes must agree: it writes the same numbered records into two of them.
package ledger

import (
	"strings"
	"text/template"
	"time"
)

// Hold is the file that keeps it from writing while it is there, in its container.
const Hold = "/quiet/hold"

// Application says how it is set up.
type Application struct {
	// Namespace is made for it.
	Namespace string
	// Cash and Books are the storage classes of the claims of those names.
	Cash, Books string
	// Every is how long it waits between records; none of them is synced unless Sync is set.
	Every time.Duration
	Sync  bool
	// Hooks says whether annotations of its pod keep it from writing while a backup cuts its volumes.
	Hooks bool
}

// Manifest returns its objects as YAML.
func (a Application) Manifest() string {
	var text strings.Builder
	if err := template.Must(template.New("").Parse(manifest)).Execute(&text, a); err != nil {
		panic(err) // The template has nothing that can fail.
	}
	return text.String()
}

// Hold is for the template.
func (Application) Hold() string { return Hold }

const manifest = `apiVersion: v1
kind: Namespace
metadata: {name: {{.Namespace}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cash, namespace: {{.Namespace}}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {{.Cash}}
  resources: {requests: {storage: 64Mi}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: books, namespace: {{.Namespace}}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {{.Books}}
  resources: {requests: {storage: 64Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger, namespace: {{.Namespace}}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: ledger}}
  template:
    metadata:
      labels: {app: ledger}
{{- if .Hooks}}
      annotations:
        pre.hook.backup.kahu.io/command: '["/devcluster-workload", "quiesce", "{{.Hold}}"]'
        post.hook.backup.kahu.io/command: '["/devcluster-workload", "unquiesce", "{{.Hold}}"]'
{{- end}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: ledger
        image: kahu.local/workload:1
        args: [ledger, --every, {{.Every}}, --sync={{.Sync}}, --quiesce, {{.Hold}}, /cash, /books]
        volumeMounts:
        - {name: cash, mountPath: /cash}
        - {name: books, mountPath: /books}
        - {name: quiet, mountPath: /quiet}
      volumes:
      - {name: cash, persistentVolumeClaim: {claimName: cash}}
      - {name: books, persistentVolumeClaim: {claimName: books}}
      - {name: quiet, emptyDir: {}}
`
