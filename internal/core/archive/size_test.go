package archive_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// realisticRecord is what pods of many deployments give: identities that do not compress, names and labels that do.
func realisticRecord(number int) archive.Record {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(number)))
	text := hex.EncodeToString(seed[:])
	uid := types.UID(fmt.Sprintf("%s-%s-4%s-8%s-%s", text[:8], text[8:12], text[12:15], text[15:18], text[18:30]))
	application := fmt.Sprintf("application-%d", number/50)
	name := fmt.Sprintf("%s-%s-%s", application, text[30:39], text[39:44])
	return archive.Record{
		Kind: deploys, Namespace: fmt.Sprintf("team-%d", number/1000), Name: name, UID: uid,
		ResourceVersion: fmt.Sprint(1_000_000 + number*3),
		Labels: map[string]string{
			"app.kubernetes.io/name": application, "app.kubernetes.io/managed-by": "Helm", "pod-template-hash": text[30:39],
		},
		Owners: []core.Owner{{
			APIVersion: "apps/v1", Kind: "ReplicaSet", Name: application, UID: uid[:30] + "000000", Controller: true,
		}},
		Reason: core.Selected, Digest: archive.DigestOf(seed[:]),
		Frame: archive.FrameRef{
			Segment: archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1 + number/35_000}.Name(),
			Offset:  int64(number/500%70) * 211_003, Length: 211_003,
		},
		Offset: int64(number%500)*2048 + 512, Length: int64(1400 + number%97),
	}
}

// The bound of the design: at most 200 bytes per object besides namespace and name, labels and owners included.
func TestIndexBuilderKeepsItsMemoryBound(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("300,000 records take some seconds, minutes with the race detector")
	}
	const count, batch = 300_000, 500
	builder := must(archive.NewIndexBuilder(0))(t)
	before := heap()
	names := 0
	records := make([]archive.Record, batch)
	for start := 0; start < count; start += batch {
		for i := range records {
			records[i] = realisticRecord((start + i) * 7919 % count) // 7919 is prime: every number once, in disorder
			names += len(records[i].Namespace) + len(records[i].Name)
		}
		if err := builder.Add(records...); err != nil {
			t.Fatal(err)
		}
	}
	clear(records)
	used := int64(heap()) - int64(before)
	limit := int64(count*200 + names)
	t.Logf("%d bytes per object are held, names of %d bytes included", used/count, names/count)
	if used > limit {
		t.Errorf("%d bytes are held, and %d are allowed", used, limit)
	}
	counted := archive.NewMeasuringWriter(discard{})
	if kinds := must(builder.WriteIndex(counted))(t); kinds[0].Count != count {
		t.Errorf("%d objects in the index", kinds[0].Count)
	}
	t.Logf("%d bytes per object are in the index", counted.Size()/count)
	if counted.Size() > 150*count {
		t.Errorf("the index is %d bytes long", counted.Size())
	}
	if after := int64(heap()) - int64(before); after > limit {
		t.Errorf("%d bytes are held after writing, and %d are allowed", after, limit)
	}
	runtime.KeepAlive(builder)
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// discard takes everything, and unlike io.Discard offers no shortcut.
type discard struct{}

func (discard) Write(data []byte) (int, error) { return len(data), nil }
func (discard) Commit() error                  { return nil }
func (discard) Abort()                         {}

// manifestLike is JSON as API servers send it: long keys that come again, little that is random.
func manifestLike(number int) core.Object {
	record := realisticRecord(number)
	const container = `{"image":"registry.example.com/team/%s:v1.%d","imagePullPolicy":"IfNotPresent","name":"main",` +
		`"ports":[{"containerPort":8080,"name":"http","protocol":"TCP"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},` +
		`"requests":{"cpu":"%dm","memory":"128Mi"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}`
	content := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"creationTimestamp":"2026-01-01T00:00:00Z",`+
		`"labels":{"app.kubernetes.io/name":%q,"app.kubernetes.io/managed-by":"Helm"},"name":%q,"namespace":%q,"uid":%q},`+
		`"spec":{"progressDeadlineSeconds":600,"replicas":3,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":%q}},`+
		`"strategy":{"rollingUpdate":{"maxSurge":"25%%","maxUnavailable":"25%%"},"type":"RollingUpdate"},"template":{"spec":{`+
		`"containers":[`+container+`],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler",`+
		`"securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{"availableReplicas":3,"observedGeneration":%d}}`,
		record.Labels["app.kubernetes.io/name"], record.Name, record.Namespace, record.UID, record.Name,
		record.Name, number%100, number%977, number%13)
	return core.Object{
		Kind: deploys, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		ResourceVersion: record.ResourceVersion, Labels: record.Labels, Owners: record.Owners, JSON: []byte(content),
	}
}

// BenchmarkPacker packs and indexes objects of about 1.3 kB with one packer.
func BenchmarkPacker(b *testing.B) {
	for name, compression := range map[string]archive.Compression{
		"Fastest": archive.Fastest, "Balanced": archive.Balanced, "Smallest": archive.Smallest,
	} {
		b.Run(name, func(b *testing.B) { benchmarkPacker(b, compression) })
	}
}

func benchmarkPacker(b *testing.B, compression archive.Compression) {
	b.Helper()
	objects := make([]core.Object, 20_000)
	size := 0
	for i := range objects {
		objects[i] = manifestLike(i)
		size += len(objects[i].JSON)
	}
	builder := must(archive.NewIndexBuilder(0))(b)
	namer := must(archive.NewSegmentNamer(clusterID, attempt))(b)
	packer := must(archive.NewPacker(archive.PackerOptions{
		Compression: compression,
		NextName:    namer.Next, Open: func(string) (core.FileWriter, error) { return discard{}, nil },
		Emit: func(records []archive.Record) error { return builder.Add(records...) },
	}))(b)
	defer packer.Abort()
	b.SetBytes(int64(size / len(objects)))
	b.ReportAllocs()
	number := 0
	for b.Loop() {
		if err := packer.Add(objects[number%len(objects)], core.Selected); err != nil {
			b.Fatal(err)
		}
		number++
	}
}

// BenchmarkReadIndex reads an index of 20,000 records.
func BenchmarkReadIndex(b *testing.B) {
	const count = 20_000
	builder := must(archive.NewIndexBuilder(0))(b)
	for i := range count {
		if err := builder.Add(realisticRecord(i)); err != nil {
			b.Fatal(err)
		}
	}
	store := newMemoryStore()
	file := must(store.open("index"))(b)
	must(builder.WriteIndex(file))(b)
	must(0, file.Commit())(b)
	b.ReportAllocs()
	for b.Loop() {
		if records, err := readIndex(store.files["index"]); err != nil || len(records) != count {
			b.Fatal(err)
		}
	}
}
