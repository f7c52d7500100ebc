package volumework_test

import (
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/volumework"
)

func TestJudge(t *testing.T) {
	limits := volumework.Limits{Pods: time.Minute, Away: time.Minute, Still: time.Hour}
	for name, test := range map[string]struct {
		sight volumework.Sight
		want  volumework.State
	}{
		"being made":                    {volumework.Sight{There: true, Ordered: true}, volumework.Going},
		"being made for long":           {volumework.Sight{There: true, Ordered: true, Waited: 10 * time.Hour}, volumework.Going},
		"bound, and being tidied up":    {volumework.Sight{There: true, Ordered: true, Bound: true}, volumework.Going},
		"no claim":                      {volumework.Sight{Ordered: true}, volumework.Lost},
		"no order":                      {volumework.Sight{There: true}, volumework.Lost},
		"no order of a delayed one":     {volumework.Sight{There: true, Delayed: true}, volumework.Lost},
		"no order any more":             {volumework.Sight{There: true, Bound: true}, volumework.Done},
		"no order of a whole one":       {volumework.Sight{There: true, Whole: true}, volumework.Done},
		"no pod yet":                    {volumework.Sight{There: true, Ordered: true, Delayed: true}, volumework.Going},
		"no pod":                        {volumework.Sight{There: true, Ordered: true, Delayed: true, Waited: time.Minute}, volumework.Delayed},
		"no pod and no provider":        {volumework.Sight{There: true, Ordered: true, Delayed: true, Waited: time.Hour, Away: time.Hour}, volumework.Delayed},
		"a pod with a node":             {volumework.Sight{There: true, Ordered: true, Delayed: true, Chosen: true, Waited: time.Hour}, volumework.Going},
		"no provider":                   {volumework.Sight{There: true, Ordered: true, Away: time.Minute}, volumework.Lost},
		"bound, and no provider":        {volumework.Sight{There: true, Ordered: true, Bound: true, Away: time.Minute}, volumework.Done},
		"no progress":                   {volumework.Sight{There: true, Ordered: true, Still: time.Hour}, volumework.Lost},
		"no progress with a node":       {volumework.Sight{There: true, Ordered: true, Delayed: true, Chosen: true, Still: time.Hour}, volumework.Lost},
		"a pod that is awaited is fine": {volumework.Sight{There: true, Ordered: true, Delayed: true, Still: 2 * time.Hour}, volumework.Going},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := test.sight.Judge(limits)
			if got != test.want || (got == volumework.Lost || got == volumework.Delayed) && why == "" {
				t.Errorf("%s because of %q", got, why)
			}
		})
	}
}
