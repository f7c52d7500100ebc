//go:build !race

package archive_test

// raceDetector tells whether the test runs with the race detector, which holds memory of its own.
const raceDetector = false
