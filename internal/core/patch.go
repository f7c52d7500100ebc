package core

// MergePatch changes some fields of an object in a cluster and leaves the others.
type MergePatch struct {
	// Kind, Namespace and Name say which object.
	Kind            Kind
	Namespace, Name string
	// Subresource is the part of the object that is changed, such as status; empty means the object itself.
	Subresource string
	// Content has the fields as they shall be, in the way of RFC 7386: null removes one, a list replaces a list.
	Content map[string]any
}
