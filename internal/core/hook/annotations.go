package hook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// The annotations of pods that ask for commands around a backup.
const (
	PreBackup  = "pre.hook.backup.kahu.io/"
	PostBackup = "post.hook.backup.kahu.io/"
)

// The parts of the annotations after their prefix.
const (
	keyContainer = "container"
	keyCommand   = "command"
	keyOnError   = "on-error"
	keyTimeout   = "timeout"
)

// ReasonInvalid is the reason of a hook, in the spec or in an annotation, that cannot be run as it is.
const ReasonInvalid = "HookInvalid"

// maxWords bounds the words of a command.
const maxWords = 256

// keysOf returns the keys that there are below a prefix. Without the first one, the others ask for nothing.
func keysOf(prefix string) []string {
	switch prefix {
	case PostRestore:
		return []string{keyCommand, keyContainer, keyOnError, keyExecTimeout, keyWaitTimeout}
	case InitRestore:
		return []string{keyImage, keyName, keyCommand, keyTimeout}
	}
	return []string{keyCommand, keyContainer, keyOnError, keyTimeout}
}

// mention tells whether there are annotations with one of the prefixes, which may be mistyped.
func mention(annotations map[string]string, prefixes ...string) bool {
	for key := range annotations {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return true
		}
	}
	return false
}

// fromAnnotations returns the command that annotations ask for, if they do, and what is wrong with it.
func fromAnnotations(pod *Pod, prefix string) ([]Command, []selection.Problem) {
	reading := newAnnotationReader(pod, prefix)
	if !reading.has(keyCommand) {
		return nil, reading.problems
	}
	command := Command{
		Origin:    "annotation " + prefix + keyCommand,
		Container: pod.Annotations[prefix+keyContainer],
		Words:     reading.words(keyCommand),
		Continue:  reading.continues(keyOnError),
		Timeout:   reading.duration(keyTimeout, DefaultTimeout),
	}
	return []Command{command}, reading.problems
}

// annotationReader reads annotations and notes what is wrong with them.
type annotationReader struct {
	pod      *Pod
	prefix   string
	problems []selection.Problem
}

// newAnnotationReader returns a reader that has noted the keys that there are not, and those that are for nothing: whoever mistyped
// one believes that something runs.
func newAnnotationReader(pod *Pod, prefix string) *annotationReader {
	made := &annotationReader{pod: pod, prefix: prefix}
	known := keysOf(prefix)
	var beside []string
	for _, name := range slices.Sorted(maps.Keys(pod.Annotations)) {
		key, below := strings.CutPrefix(name, prefix)
		switch {
		case !below:
		case !slices.Contains(known, key):
			made.problem(key, fmt.Sprintf("there is no such annotation: those that begin with %s end with %s", prefix, strings.Join(known, ", ")))
		case key != known[0] && made.has(key):
			beside = append(beside, key)
		}
	}
	if len(beside) > 0 && !made.has(known[0]) {
		made.problem(known[0], "it is required beside "+strings.Join(beside, ", "))
	}
	return made
}

// has tells whether there is such an annotation. One that is empty is none.
func (r *annotationReader) has(key string) bool { return r.pod.Annotations[r.prefix+key] != "" }

// words reads a command: a JSON array of strings, or the one word that it is. There is no shell.
func (r *annotationReader) words(key string) []string {
	value := r.pod.Annotations[r.prefix+key]
	if !strings.HasPrefix(strings.TrimSpace(value), "[") {
		return []string{value}
	}
	var words []string
	if err := json.Unmarshal([]byte(value), &words); err != nil {
		r.problem(key, fmt.Sprintf("%v: write a JSON array of strings, such as [\"sh\",\"-c\",\"sync\"]", err))
		return nil
	}
	if len(words) == 0 || words[0] == "" || len(words) > maxWords {
		r.problem(key, fmt.Sprintf("it must have 1 to %d words, of which the first is the program", maxWords))
		return nil
	}
	return words
}

func (r *annotationReader) continues(key string) bool {
	switch value := r.pod.Annotations[r.prefix+key]; value {
	case "", "Fail":
		return false
	case "Continue":
		return true
	default:
		r.problem(key, fmt.Sprintf("%q is neither Continue nor Fail", value))
		return false
	}
}

func (r *annotationReader) duration(key string, otherwise time.Duration) time.Duration {
	value := r.pod.Annotations[r.prefix+key]
	if value == "" {
		return otherwise
	}
	found, err := time.ParseDuration(value)
	if err != nil || found < 0 {
		r.problem(key, fmt.Sprintf("%q is not a duration such as 30s", value))
		return otherwise
	}
	if found == 0 {
		return otherwise
	}
	return found
}

func (r *annotationReader) problem(key, message string) {
	r.problems = append(r.problems, selection.Problem{
		Field: fmt.Sprintf("Pod %s/%s, annotation %s%s", r.pod.Namespace, r.pod.Name, r.prefix, key), Reason: ReasonInvalid, Message: message,
	})
}
