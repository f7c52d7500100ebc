package core

// IsEmpty tells whether a value of a JSON object says nothing: the API server keeps no account of it, and treats it as absent.
func IsEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}
