package archive

// HeldSize returns the number of bytes that are held.
func HeldSize(held *HeldIndex) int {
	size := 0
	for _, kind := range held.kinds {
		for _, block := range kind.blocks {
			size += len(block.packed) + len(block.first)
		}
	}
	return size
}
