package hook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Promise is what runs in a pod after the cut whatever happens, written down before anything runs in it: whoever runs it then asks
// neither the annotations nor the labels of the pod, which others change.
type Promise struct {
	Namespace, Name string
	UID             types.UID
	// Sets are the fields of the sets whose commands after it these are, in their order.
	Sets []string
	// Noted is the command that the annotations of the pod asked for; Digest is that of one that is too long to be kept.
	Noted  *Command
	Digest string
}

// maxKept bounds the words of a command that is kept, in bytes.
const maxKept = 2048

// PromiseOf returns what a plan promises.
func PromiseOf(plan *Plan) Promise {
	made := Promise{Namespace: plan.Pod.Namespace, Name: plan.Pod.Name, UID: plan.Pod.UID, Sets: plan.Sets}
	if len(plan.Sets) > 0 || len(plan.Post) == 0 {
		return made
	}
	command, size := plan.Post[0], 0 // Annotations ask for one.
	for _, word := range command.Words {
		size += len(word)
	}
	if size > maxKept {
		made.Digest = digestOf(&command)
		return made
	}
	made.Noted = &command
	return made
}

// Commands returns what was promised to a pod that is so now, where that can be known still.
func (p *Promise) Commands(sets []Set, now *Pod) ([]Command, bool) {
	switch {
	case p.Noted != nil:
		return []Command{*p.Noted}, true
	case p.Digest != "":
		found, _ := fromAnnotations(now, PostBackup)
		return found, len(found) == 1 && digestOf(&found[0]) == p.Digest
	}
	var commands []Command
	for _, field := range p.Sets {
		at := slices.IndexFunc(sets, func(set Set) bool { return set.Field == field })
		if at < 0 {
			return nil, false
		}
		commands = after(sets[at].Post, commands)
	}
	return commands, true
}

// after returns the commands after the cut of a set that follows others: what was done last is undone first.
func after(set, others []Command) []Command { return append(slices.Clone(set), others...) }

func digestOf(command *Command) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %v %s", command.Container, command.Words, command.Continue, command.Timeout))
	return hex.EncodeToString(sum[:])
}
