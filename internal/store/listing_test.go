package store_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
)

// A listing decides what is deleted and what is shown: one that cannot be true is refused, and one without an end ended.
func TestListingsThatLie(t *testing.T) {
	round := func(all ...[]string) func(request provider.ListRequest) (provider.ListPage, error) {
		return func(request provider.ListRequest) (provider.ListPage, error) {
			number, _ := strconv.Atoi(request.PageToken)
			found := provider.ListPage{NextPageToken: strconv.Itoa((number + 1) % len(all))}
			for _, name := range all[number] {
				found.Objects = append(found.Objects, provider.ObjectInfo{Name: name})
			}
			return found, nil
		}
	}
	pages := func(all ...[]string) func(request provider.ListRequest) (provider.ListPage, error) {
		return func(request provider.ListRequest) (provider.ListPage, error) {
			found, err := round(all...)(request)
			if found.NextPageToken == "0" {
				found.NextPageToken = ""
			}
			return found, err
		}
	}
	cases := map[string]func(request provider.ListRequest) (provider.ListPage, error){
		"SameTokenAgain": func(provider.ListRequest) (provider.ListPage, error) {
			return provider.ListPage{NextPageToken: "x"}, nil
		},
		"RoundOfTokens":      round([]string{"p/a"}, []string{"p/b"}, []string{"p/c"}),
		"RoundOfEmptyPages":  round(nil, nil, nil),
		"NotInOrder":         pages([]string{"p/b", "p/a"}),
		"NotInOrderOfPages":  pages([]string{"p/b"}, []string{"p/a"}),
		"Twice":              pages([]string{"p/a", "p/a"}),
		"OutsideOfThePrefix": pages([]string{"o/a"}),
		"NegativeSize": func(provider.ListRequest) (provider.ListPage, error) {
			return provider.ListPage{Objects: []provider.ObjectInfo{{Name: "p/a", Size: -1}}}, nil
		},
		"NewTokensForEver": func(request provider.ListRequest) (provider.ListPage, error) {
			return provider.ListPage{NextPageToken: request.PageToken + "x"}, nil
		},
	}
	for name, lists := range cases {
		t.Run(name, func(t *testing.T) {
			driver := newFaulty()
			driver.lists = lists
			files := store.New(driver, store.Options{Prefix: "p"})
			err := files.List(t.Context(), "", func(core.FileInfo) error { return nil })
			if !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A listing over many pages, some of them empty, is whole.
func TestListingOverPages(t *testing.T) {
	driver := newFaulty()
	const pages = 300
	driver.lists = func(request provider.ListRequest) (provider.ListPage, error) {
		number, _ := strconv.Atoi(request.PageToken)
		var found provider.ListPage
		if number%2 == 0 {
			found.Objects = []provider.ObjectInfo{{Name: fmt.Sprintf("%03d", number), Size: int64(number)}}
		}
		if number < pages {
			found.NextPageToken = strconv.Itoa(number + 1)
		}
		return found, nil
	}
	count := 0
	must(t, store.New(driver, store.Options{}).List(t.Context(), "", func(file core.FileInfo) error {
		if want := fmt.Sprintf("%03d", count*2); file.Name != want || file.Size != int64(count*2) {
			t.Errorf("file %d is %+v", count, file)
		}
		count++
		return nil
	}))
	if want := pages/2 + 1; count != want {
		t.Errorf("%d files, want %d", count, want)
	}
}
