package backup

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// owedOf returns what is on record of what pods were promised.
func owedOf(plans []hook.Plan) []kahuv1.OwedHook {
	var rows []kahuv1.OwedHook
	for i := range plans[:min(len(plans), failure.MaxRows)] {
		promise := hook.PromiseOf(&plans[i])
		row := kahuv1.OwedHook{
			Namespace: promise.Namespace, Pod: promise.Name, PodUID: string(promise.UID), Sets: promise.Sets, Digest: promise.Digest,
		}
		if noted := promise.Noted; noted != nil {
			row.Exec = &kahuv1.ExecHook{Container: noted.Container, Command: noted.Words, OnError: kahuv1.HookErrorModeFail, Timeout: metav1.Duration{Duration: noted.Timeout}}
			if noted.Continue {
				row.Exec.OnError = kahuv1.HookErrorModeContinue
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// promises returns what pods on record were promised.
func promises(rows []kahuv1.OwedHook) []hook.Promise {
	var all []hook.Promise
	for _, row := range rows {
		promise := hook.Promise{Namespace: row.Namespace, Name: row.Pod, UID: types.UID(row.PodUID), Sets: row.Sets, Digest: row.Digest}
		if row.Exec != nil {
			promise.Noted = &hook.Command{
				Origin: "annotation " + hook.PostBackup + "command", Container: row.Exec.Container, Words: row.Exec.Command,
				Continue: row.Exec.OnError == kahuv1.HookErrorModeContinue, Timeout: max(row.Exec.Timeout.Duration, time.Second),
			}
		}
		all = append(all, promise)
	}
	return all
}

// stillOwed returns what pods were promised that may still be held still.
func stillOwed(rows []kahuv1.OwedHook, stranded []string) []kahuv1.OwedHook {
	return slices.DeleteFunc(slices.Clone(rows), func(row kahuv1.OwedHook) bool {
		return !slices.Contains(stranded, quiesce.PodText(row.Namespace, row.Pod))
	})
}
