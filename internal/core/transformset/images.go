package transformset

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/soda-cdm/kahu/internal/core/transform"
)

// mapped is one entry of a mapping.
type mapped struct {
	title    string
	from, to string
	used     atomic.Int64
}

// imagePrefix is what a prefix of images looks like: a registry with a port, and path components.
const imagePrefix = `^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`

// images compiles a mapping of images.
func (c *compilation) images(mapping map[string]string) []*mapped {
	const field = "spec.imageMapping"
	if len(mapping) == 0 || !c.bounded(field, len(mapping)) {
		return nil
	}
	pattern := regexp.MustCompile(imagePrefix)
	made := make([]*mapped, 0, len(mapping))
	for _, from := range slices.Sorted(maps.Keys(mapping)) {
		to := mapping[from]
		for _, name := range []string{from, to} {
			if !pattern.MatchString(name) {
				c.problemf(field+"["+from+"]", "%q is no registry, path or repository, such as registry.example.org:5000/team/app: "+
					"correct it; tags and digests stay as they are", name)
			}
		}
		made = append(made, &mapped{title: c.set.Field(field + "[" + from + "]"), from: from, to: to})
	}
	return made
}

// mapImages maps the images of all pods and pod templates in the object, at whatever depth: custom resources have them
// in places of their own.
func (p *part) mapImages(object map[string]any) []transform.Change {
	if len(p.images) == 0 {
		return nil
	}
	var changes []transform.Change
	eachPodSpec(object, "", func(spec map[string]any, at string) {
		for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
			for i, container := range list(spec, field) {
				changes = p.mapImage(changes, container, "image", index(join(at, field), i))
			}
		}
		for i, volume := range list(spec, "volumes") {
			source, _ := volume["image"].(map[string]any)
			changes = p.mapImage(changes, source, "reference", join(index(join(at, "volumes"), i), "image"))
		}
	})
	return changes
}

// mapImage maps the image in a field of a map, which is at the path.
func (p *part) mapImage(changes []transform.Change, parent map[string]any, field, path string) []transform.Change {
	image, _ := parent[field].(string)
	entry, rest := p.findImage(image)
	if entry == nil {
		return changes
	}
	entry.used.Add(1)
	if entry.to+rest == image {
		return changes
	}
	parent[field] = entry.to + rest
	return append(changes, transform.Change{Path: join(path, field), Reason: entry.title})
}

// findImage returns the entry that fits to most of the image, and what stays behind it.
func (p *part) findImage(image string) (*mapped, string) {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	if name == "" {
		return nil, ""
	}
	suffix := image[len(name):]
	var best *mapped
	var bestRest string
	for _, entry := range p.images {
		for _, form := range formsOf(name) {
			rest, found := strings.CutPrefix(form, entry.from)
			if !found || rest != "" && rest[0] != '/' {
				continue
			}
			if best == nil || cmp.Or(cmp.Compare(len(rest), len(bestRest)), cmp.Compare(len(best.from), len(entry.from))) < 0 {
				best, bestRest = entry, rest
			}
		}
	}
	return best, bestRest + suffix
}

// formsOf returns all ways to write the name of an image: without a registry it is one of docker.io, and without a
// path there one of its library.
func formsOf(name string) []string {
	first, _, several := strings.Cut(name, "/")
	if several && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return []string{name}
	}
	forms := []string{name}
	if !several {
		name = "library/" + name
		forms = append(forms, name)
	}
	return append(forms, "docker.io/"+name)
}
