package workload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// ledgerFile is the file of records in each folder of a ledger.
	ledgerFile = "ledger"
	// heldSuffix makes the name of the file by which a ledger says that it writes no more.
	heldSuffix = ".held"
	// lookEvery is how often a file is looked for that somebody else makes or removes.
	lookEvery = 5 * time.Millisecond
)

// ledger appends numbered records to a file in each folder, the same number in all of them, and each on disk, or with
// --sync=false in the kernel, before the next file is written; it says first how many there are already. Whoever copies the
// folders at one instant finds them apart by one record at most, and in the order in which they were named. While the quiesce
// file is there it writes nothing, with all folders at the same number, and says so by a file of its own.
func ledger(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flagsOf("ledger")
	every := flags.Duration("every", time.Millisecond, "time between two records")
	sync := flags.Bool("sync", true, "have each record on disk before the next")
	quiesceFile := flags.String("quiesce", "", "file that makes it hold still")
	folders, err := parse(flags, arguments, 1, 10)
	if err != nil {
		return err
	}
	files, next, err := openLedger(folders)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%d records are there\n", next)
	for number := next; err == nil && ctx.Err() == nil; number++ {
		if err = holdStill(ctx, *quiesceFile); err == nil {
			err = record(files, number, *sync)
		}
		wait(ctx, *every)
	}
	for _, file := range files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// openLedger opens the files for more records, of which next is the number that is in none of them.
func openLedger(folders []string) (files []*os.File, next int, err error) {
	for _, folder := range folders {
		file, err := os.OpenFile(filepath.Join(folder, ledgerFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644) //nolint:gosec // others read it, too
		if err != nil {
			return files, 0, err
		}
		files = append(files, file)
		there, err := countLines(file)
		if err != nil {
			return files, 0, err
		}
		next = max(next, there)
	}
	return files, next, nil
}

func record(files []*os.File, number int, sync bool) error {
	for _, file := range files {
		if _, err := file.WriteString(line(number, "record")); err != nil {
			return err
		}
		if !sync {
			continue
		}
		if err := file.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// holdStill returns when the quiesce file is not there.
func holdStill(ctx context.Context, path string) error {
	if path == "" || !exists(path) {
		return nil
	}
	if err := os.WriteFile(path+heldSuffix, nil, 0o644); err != nil { //nolint:gosec // others read it, too
		return err
	}
	for exists(path) && wait(ctx, lookEvery) {
	}
	return remove(path + heldSuffix)
}

// quiesce makes a ledger hold still, and returns when it does.
func quiesce(ctx context.Context, arguments []string, _ io.Writer) error {
	flags := flagsOf("quiesce")
	limit := flags.Duration("limit", 10*time.Second, "how long the ledger may take")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	path := arguments[0]
	if err := os.WriteFile(path, nil, 0o644); err != nil { //nolint:gosec // others read it, too
		return err
	}
	for !exists(path + heldSuffix) {
		if !wait(ctx, lookEvery) {
			return errors.Join(errors.New("the ledger does not hold still"), remove(path))
		}
	}
	return nil
}

// unquiesce lets a ledger go on, whether it held still or not.
func unquiesce(_ context.Context, arguments []string, _ io.Writer) error {
	arguments, err := parse(flagsOf("unquiesce"), arguments, 1, 1)
	if err != nil {
		return err
	}
	return remove(arguments[0])
}

// agree prints the number of records in each folder of a ledger, and fails unless every record is whole and in its place, and all
// folders have the same ones.
func agree(_ context.Context, arguments []string, stdout io.Writer) error {
	folders, err := parse(flagsOf("agree"), arguments, 1, 10)
	if err != nil {
		return err
	}
	var counts []int
	for _, folder := range folders {
		count, wrong := countRecords(filepath.Join(folder, ledgerFile))
		_, _ = fmt.Fprintf(stdout, "%d %s\n", count, folder)
		err = errors.Join(err, wrong)
		counts = append(counts, count)
	}
	for i, count := range counts {
		if count != counts[0] {
			err = errors.Join(err, fmt.Errorf("%s has %d records, %s has %d", folders[0], counts[0], folders[i], count))
		}
	}
	return err
}

// countRecords counts the whole records from the beginning to the first that is not as it was written.
func countRecords(path string) (count int, err error) {
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewReader(file)
	for {
		text, err := lines.ReadString('\n')
		switch {
		case err == io.EOF && text == "":
			return count, nil
		case err != nil && err != io.EOF:
			return count, err
		case text != line(count, "record"):
			return count, fmt.Errorf("%s: record %d is not as it was written: %q", path, count, text)
		}
		count++
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// remove removes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
