package archive

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// An index has a line for every object of a backup, and every restore reads all of them, some several times. The lines
// are JSON, and package encoding/json may always read and write them; what is here reads and writes the plain ones, in
// which no text needs an escape, in the one form in which they are written, about ten times as fast. Every other line
// is left to encoding/json: that both agree is tested, with a fuzzer.

// recordReader reads the lines of records. It uses texts that come again, which most do.
type recordReader struct {
	line      []byte // what is left of the line
	namespace string // of the record before
	reason    core.Reason
	keys      map[string]string // the keys of labels
	segments  map[string]string // the names of segments; each is checked once
}

// maxKnownKeys bounds the keys of labels that are remembered.
const maxKnownKeys = 1024

func newRecordReader() *recordReader {
	return &recordReader{keys: map[string]string{}, segments: map[string]string{}}
}

// read sets all of the record but its kind; it is false for a line that it leaves to encoding/json.
func (r *recordReader) read(line []byte, record *Record) bool {
	r.line = line
	return r.identity(record) && r.relations(record) && r.place(record) && len(r.line) == 0
}

// identity reads what names the object.
func (r *recordReader) identity(record *Record) bool {
	var uid, version []byte
	if !r.name(record) || !r.member(`,"uid":`, &uid) || !r.member(`,"resourceVersion":`, &version) {
		return false
	}
	record.UID, record.ResourceVersion = types.UID(uid), string(version)
	return true
}

// name reads by what the object is known in the cluster.
func (r *recordReader) name(record *Record) bool {
	if !r.skip(`{`) {
		return false
	}
	record.Namespace = ""
	if r.skip(`"namespace":`) {
		namespace, ok := r.text()
		if !ok || !r.skip(`,`) {
			return false
		}
		record.Namespace = same(&r.namespace, namespace)
	}
	var name []byte
	if !r.member(`"name":`, &name) {
		return false
	}
	record.Name = string(name)
	return true
}

// relations reads what the object is labelled with, belongs to, and is in the backup for.
func (r *recordReader) relations(record *Record) bool {
	if r.skip(`,"labels":{`) && !r.labels(record) {
		return false
	}
	if r.skip(`,"owners":[`) && !r.owners(record) {
		return false
	}
	var reason []byte
	if !r.member(`,"reason":`, &reason) {
		return false
	}
	record.Reason = same(&r.reason, reason)
	return true
}

// place reads where the object's bytes are.
func (r *recordReader) place(record *Record) bool {
	var segment, digest []byte
	ok := r.member(`,"segment":`, &segment) &&
		r.number(`,"frameOffset":`, &record.Frame.Offset) && r.number(`,"frameLength":`, &record.Frame.Length) &&
		r.number(`,"offset":`, &record.Offset) && r.number(`,"length":`, &record.Length) &&
		r.member(`,"digest":`, &digest) && r.skip(`}`)
	if !ok {
		return false
	}
	record.Frame.Segment, record.Digest = known(r.segments, segment), Digest(digest)
	return true
}

func (r *recordReader) labels(record *Record) bool {
	record.Labels = make(map[string]string, bytes.Count(r.line[:max(bytes.IndexByte(r.line, '}'), 0)], []byte{':'}))
	for {
		key, ok := r.text()
		if !ok || !r.skip(`:`) {
			return false
		}
		value, ok := r.text()
		if !ok {
			return false
		}
		if len(r.keys) >= maxKnownKeys {
			clear(r.keys)
		}
		record.Labels[known(r.keys, key)] = string(value)
		if r.skip(`}`) {
			return true
		}
		if !r.skip(`,`) {
			return false
		}
	}
}

func (r *recordReader) owners(record *Record) bool {
	for {
		var version, kind, name, uid []byte
		ok := r.member(`{"apiVersion":`, &version) && r.member(`,"kind":`, &kind) &&
			r.member(`,"name":`, &name) && r.member(`,"uid":`, &uid)
		controller := r.skip(`,"controller":true`)
		if !ok || !r.skip(`}`) {
			return false
		}
		record.Owners = append(record.Owners, core.Owner{
			APIVersion: string(version), Kind: string(kind), Name: string(name), UID: types.UID(uid), Controller: controller,
		})
		if r.skip(`]`) {
			return true
		}
		if !r.skip(`,`) {
			return false
		}
	}
}

// skip goes over a text that may come next.
func (r *recordReader) skip(text string) bool {
	if len(r.line) < len(text) || string(r.line[:len(text)]) != text {
		return false
	}
	r.line = r.line[len(text):]
	return true
}

// member reads a key and the text that is its value.
func (r *recordReader) member(key string, value *[]byte) (ok bool) {
	if !r.skip(key) {
		return false
	}
	*value, ok = r.text()
	return ok
}

// text reads a string of printable ASCII without escapes, and gives its content, which shares the bytes of the line.
func (r *recordReader) text() ([]byte, bool) {
	if len(r.line) == 0 || r.line[0] != '"' {
		return nil, false
	}
	end := plainLength(r.line[1:]) + 1
	if end == len(r.line) || r.line[end] != '"' {
		return nil, false
	}
	content := r.line[1:end]
	r.line = r.line[end+1:]
	return content, true
}

// number reads a key and its value, a number that is not negative.
func (r *recordReader) number(key string, value *int64) bool {
	const most = 18 // digits that fit in any case
	if !r.skip(key) {
		return false
	}
	length := 0
	var number int64
	for length < len(r.line) && '0' <= r.line[length] && r.line[length] <= '9' {
		number = number*10 + int64(r.line[length]-'0')
		if length++; length > most {
			return false
		}
	}
	if length == 0 || length > 1 && r.line[0] == '0' {
		return false
	}
	*value, r.line = number, r.line[length:]
	return true
}

// isPlain tells whether a byte stands for itself in JSON, and for a whole character.
func isPlain(char byte) bool {
	return ' ' <= char && char < deleteControl && char != '"' && char != '\\'
}

// plainLength returns how many bytes at the beginning are plain.
func plainLength[text string | []byte](content text) int {
	for i := range len(content) {
		if !isPlain(content[i]) {
			return i
		}
	}
	return len(content)
}

// same returns the text, and the one that is remembered where it is the same.
func same[text ~string](remembered *text, content []byte) text {
	if string(*remembered) != string(content) {
		*remembered = text(content)
	}
	return *remembered
}

// known returns the text, each only once in memory.
func known(texts map[string]string, content []byte) string {
	if text, found := texts[string(content)]; found {
		return text
	}
	text := string(content)
	texts[text] = text
	return text
}

// appendRecord appends the line of a record with its end, as encoding/json would write it.
func appendRecord(line []byte, record *Record) ([]byte, error) {
	start := len(line)
	writer := recordWriter{line: append(line, '{')}
	writer.record(record)
	if !writer.odd {
		return append(writer.line, "}\n"...), nil
	}
	// Something in it needs an escape.
	var buffer bytes.Buffer
	if err := newLineEncoder(&buffer).Encode(lineOf(record)); err != nil {
		return line[:start], err
	}
	return append(line[:start], buffer.Bytes()...), nil
}

// recordWriter writes the line of a record, unless that is odd: then the line is of no use.
type recordWriter struct {
	line []byte
	odd  bool
}

func (w *recordWriter) record(record *Record) {
	if record.Namespace != "" {
		w.text(`"namespace":`, record.Namespace)
		w.line = append(w.line, ',')
	}
	w.text(`"name":`, record.Name)
	w.text(`,"uid":`, string(record.UID))
	w.text(`,"resourceVersion":`, record.ResourceVersion)
	if len(record.Labels) > 0 {
		w.labels(record.Labels)
	}
	if len(record.Owners) > 0 {
		w.owners(record.Owners)
	}
	w.text(`,"reason":`, string(record.Reason))
	w.text(`,"segment":`, record.Frame.Segment)
	w.number(`,"frameOffset":`, record.Frame.Offset)
	w.number(`,"frameLength":`, record.Frame.Length)
	w.number(`,"offset":`, record.Offset)
	w.number(`,"length":`, record.Length)
	w.text(`,"digest":`, string(record.Digest))
}

func (w *recordWriter) labels(labels map[string]string) {
	w.line = append(w.line, `,"labels":{`...)
	comma := ""
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		w.text(comma, key)
		w.text(`:`, labels[key])
		comma = `,`
	}
	w.line = append(w.line, '}')
}

func (w *recordWriter) owners(owners []core.Owner) {
	w.line = append(w.line, `,"owners":[`...)
	for i, owner := range owners {
		if i > 0 {
			w.line = append(w.line, ',')
		}
		w.text(`{"apiVersion":`, owner.APIVersion)
		w.text(`,"kind":`, owner.Kind)
		w.text(`,"name":`, owner.Name)
		w.text(`,"uid":`, string(owner.UID))
		if owner.Controller {
			w.line = append(w.line, `,"controller":true`...)
		}
		w.line = append(w.line, '}')
	}
	w.line = append(w.line, ']')
}

// text appends a key and the text that is its value.
func (w *recordWriter) text(key, value string) {
	w.odd = w.odd || plainLength(value) < len(value)
	w.line = append(w.line, key...)
	w.line = append(w.line, '"')
	w.line = append(w.line, value...)
	w.line = append(w.line, '"')
}

func (w *recordWriter) number(key string, value int64) {
	w.line = strconv.AppendInt(append(w.line, key...), value, 10)
}

// readName reads of a line by what the object is known in the cluster, and nothing else.
func (r *recordReader) readName(line []byte, record *Record) error {
	if r.line = line; r.name(record) && r.skip(`,`) {
		return nil
	}
	other, err := r.readRecord(line, record.Kind)
	record.Namespace, record.Name = other.Namespace, other.Name
	return err
}

// readChecked reads the line of a record of the kind, or gives core.ErrCorrupt where that cannot be true.
func (r *recordReader) readChecked(line []byte, kind core.Kind, segments segmentNames) (Record, error) {
	record, err := r.readRecord(line, kind)
	if err == nil {
		err = record.check(segments)
	}
	if err != nil {
		return Record{}, corrupt("held index", err)
	}
	return record, nil
}

// readRecord reads the line of a record of the kind.
func (r *recordReader) readRecord(line []byte, kind core.Kind) (Record, error) {
	record := Record{Kind: kind}
	if r.read(line, &record) {
		return record, nil
	}
	var other recordLine
	if err := json.Unmarshal(line, &other); err != nil {
		return Record{}, err
	}
	other.Segment = known(r.segments, []byte(other.Segment))
	return other.record(kind), nil
}
