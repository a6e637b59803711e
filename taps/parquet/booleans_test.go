package parquet

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// Runs of any length and packed bits, mixed as a writer likes.
func TestRunsOfBooleans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var data, want []byte
		for range rapid.IntRange(1, 6).Draw(t, "pieces") {
			if rapid.Bool().Draw(t, "run") {
				n, v := rapid.IntRange(1, 100).Draw(t, "length"), byte(rapid.IntRange(0, 1).Draw(t, "value"))
				data = append(binary.AppendUvarint(data, uint64(n)<<1), v)
				want = append(want, bytes.Repeat([]byte{v}, n)...)
				continue
			}
			packed := rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, "packed")
			data = append(binary.AppendUvarint(data, uint64(len(packed))<<1|1), packed...)
			for i := range len(packed) * 8 {
				want = append(want, packed[i/8]>>(i%8)&1)
			}
		}
		n := rapid.IntRange(0, len(want)).Draw(t, "n") // the last group may be longer than needed
		got, err := hybrid(data, 1, n)
		if err != nil || !bytes.Equal(got, want[:n]) {
			t.Fatalf("%v, %v, want %v", got, err, want[:n])
		}
		if _, err := hybrid(data, 1, len(want)+1); err == nil {
			t.Fatal("more than there is was read")
		}
	})
}

func TestLevelsOfSeveralBits(t *testing.T) {
	// "Encodings" shows the numbers 0 to 7 in three bits: 88 C6 FA.
	got, err := hybrid([]byte{1<<1 | 1, 0x88, 0xC6, 0xFA}, 3, 8)
	if err != nil || !bytes.Equal(got, []byte{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("%v, %v", got, err)
	}
}
