package main

import (
	"cmp"
	"container/heap"
	"slices"
)

// newestLetters keeps the newest letters, up to a limit; zero is none.
type newestLetters struct {
	limit   int
	letters oldestFirst
}

func (n *newestLetters) add(l letterHead) {
	heap.Push(&n.letters, l)
	if n.limit > 0 && len(n.letters) > n.limit {
		heap.Pop(&n.letters)
	}
}

// sorted are the letters, the newest last.
func (n *newestLetters) sorted() []letterHead {
	slices.SortFunc(n.letters, compareLetters)
	return n.letters
}

func compareLetters(a, b letterHead) int {
	return cmp.Or(a.At.Compare(b.At), a.Place.Compare(b.Place))
}

// oldestFirst is a heap of letters.
type oldestFirst []letterHead

func (h oldestFirst) Len() int           { return len(h) }
func (h oldestFirst) Less(i, j int) bool { return compareLetters(h[i], h[j]) < 0 }
func (h oldestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *oldestFirst) Push(x any) {
	if l, ok := x.(letterHead); ok {
		*h = append(*h, l)
	}
}

// Pop implements heap.Interface.
func (h *oldestFirst) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	*h = (*h)[:last]
	return l
}
