//go:build !race

package conformance_test

// underRace tells whether races are looked for.
const underRace = false
